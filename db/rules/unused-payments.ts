/** Detectors of money that no order uses: of payments, until it is given back, and of what nobody here asked for. */
import { PAYMENT_UNRETURNED_AFTER_MS } from '../../domain/timeouts.ts';
import type { Queryable } from '../postgres.ts';
import { NIL, type Detector, type Fragment, type Inspected, type PageOfRows } from './detector.ts';

const before = (now: string, milliseconds: number): string =>
  new Date(Date.parse(now) - milliseconds).toISOString();

/** How long a person is told of money that nobody asked for and that was given back. */
const TOLD_FOR_MS = 7 * 24 * 3_600_000;

const unused = (sql: Queryable, { after, limit }: PageOfRows): Fragment => {
  const cursor = after ?? NIL;
  return sql`
    select id as subject, id
    from (
      (select id from payment where state = 'captured' and not secures and id > ${cursor} order by id limit ${limit})
      union
      (select distinct payment_id from refund_payment where state = 'owed' and payment_id > ${cursor} order by payment_id limit ${limit})
    ) as known
    order by id
    limit ${limit}
  `;
};

/** Rule 13. What is being given back just now, or asked for again after a short pause, is in order. */
export const unreturnedPayments: Detector = {
  page: unused,
  inspect: (sql, page) => sql<Inspected[]>`
    select
      subject, payment.order_id as "orderId",
      case
        when state = 'captured' and not secures and updated_at < limits.since
          then format('%s %s were captured that its order does not use, and are not given back', payment.amount, currency)
        when owed.since < limits.since then format('%s %s of it are to be given back and are not', owed.amount, currency)
      end as finding
    from (${unused(sql, page)}) as page
    join payment on payment.id = page.id
    cross join (select ${before(page.now, PAYMENT_UNRETURNED_AFTER_MS)}::timestamptz as since) as limits
    cross join lateral (
      select min(refund.at) as since, sum(refund_payment.amount) as amount
      from refund_payment join refund using (order_id, command_id)
      where refund_payment.payment_id = payment.id and state = 'owed'
    ) as owed
    order by page.id
  `,
};

const notAskedFor = (sql: Queryable, { after, limit }: PageOfRows): Fragment => sql`
  select distinct reference as subject, reference
  from payment_notification
  where state in ('unmatched', 'returned') and reference > ${after ?? ''}
  order by reference
  limit ${limit}
`;

/** No rule: nobody here did anything wrong, and a person is to know. */
export const unmatchedPayments: Detector = {
  page: notAskedFor,
  inspect: (sql, page) => sql<Inspected[]>`
    select
      subject, null as "orderId",
      case
        when returned_at > ${before(page.now, TOLD_FOR_MS)}
          then format('a provider has payment %s, for which nobody here asked: what it had taken was given back', provider_id)
        when unmatched_since < ${before(page.now, PAYMENT_UNRETURNED_AFTER_MS)}
          then format('a provider has payment %s, for which nobody here asked: it is not given back', provider_id)
      end as finding
    from (${notAskedFor(sql, page)}) as page
    cross join lateral (
      select
        min(provider_id) as provider_id,
        max(handled_at) filter (where state = 'returned') as returned_at,
        min(received_at) filter (where state = 'unmatched') as unmatched_since
      from payment_notification
      where payment_notification.reference = page.reference and state in ('unmatched', 'returned')
    ) as known
    order by subject
  `,
};
