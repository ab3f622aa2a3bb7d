/** Detector of lost orders: every order exists whose id a caller was given, for as long as the key is kept under which it was given. */
import type { Queryable } from '../postgres.ts';
import { NIL, type Detector, type Inspected, type PageOfRows } from './detector.ts';

/** By the order's id, because two callers may use the same key. */
const answeredKeys = (sql: Queryable, { after, limit }: PageOfRows) => sql`
  select command_id as subject, command_id
  from idempotency_key
  where operation = 'createOrder' and response_status = 201 and command_id > ${after ?? NIL}
  order by command_id
  limit ${limit}
`;

/** Rule 10. */
export const lostOrders: Detector = {
  page: answeredKeys,
  inspect: (sql, page) => sql<Inspected[]>`
    select
      subject, answered.command_id as "orderId",
      case when orders.id is null then 'was answered to its caller, and does not exist' end as finding
    from (${answeredKeys(sql, page)}) as answered
    left join orders on orders.id = answered.command_id
    order by answered.command_id
  `,
};
