/** Detector of deadlines: no order waits for its payment past its deadline. */
import { DISAGREEMENT_GRACE_MS } from '../../domain/timeouts.ts';
import type { Queryable } from '../postgres.ts';
import { NIL, type Detector, type Inspected, type PageOfRows } from './detector.ts';

/** Whether an order should have expired by then (ISO 8601): an order that falls due just now is about to expire. */
export const isOverdue = (sql: Queryable, now: string) => sql`
  (stage = 'awaiting_payment' and payment_deadline < ${new Date(Date.parse(now) - DISAGREEMENT_GRACE_MS).toISOString()})
`;

const openOrders = (sql: Queryable, { after, limit }: PageOfRows) => sql`
  select id as subject, id, stage, payment_deadline
  from orders
  where stage = 'awaiting_payment' and id > ${after ?? NIL}
  order by id
  limit ${limit}
`;

/** Rule 11. */
export const overdueOrders: Detector = {
  page: openOrders,
  inspect: (sql, page) => sql<Inspected[]>`
    select
      subject, id as "orderId",
      case
        when ${isOverdue(sql, page.now)}
          then format('was to be paid by %s and still waits', to_char(payment_deadline at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS UTC'))
      end as finding
    from (${openOrders(sql, page)}) as open
    order by id
  `,
};
