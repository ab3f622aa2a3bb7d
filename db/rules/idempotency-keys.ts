/** Detector of lost orders: every order exists whose id a caller was given. */
import type { Queryable } from '../postgres.ts';
import type { Detector, Inspected, PageOfRows } from './detector.ts';

/** A key is its caller's: two callers may have chosen the same. The subject has both as JSON, because either may contain anything. */
const answeredKeys = (sql: Queryable, { after, limit }: PageOfRows) => {
  const cursor = after ?? '["", ""]';
  return sql`
    select json_build_array(caller, key)::text as subject, caller, key, command_id
    from idempotency_key
    where
      operation = 'createOrder' and response_status = 201
      and (caller, key) > (${cursor}::text::json ->> 0, ${cursor}::text::json ->> 1)
    order by caller, key
    limit ${limit}
  `;
};

/** Rule 10. */
export const lostOrders: Detector = {
  page: answeredKeys,
  inspect: (sql, page) => sql<Inspected[]>`
    select
      subject, answered.command_id as "orderId",
      case
        when orders.id is null then format('order %s was answered to its caller, and does not exist', answered.command_id)
      end as finding
    from (${answeredKeys(sql, page)}) as answered
    left join orders on orders.id = answered.command_id
    order by answered.caller, answered.key
  `,
};
