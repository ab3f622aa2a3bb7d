/** The parts of a step's statement that read and write what an order has besides its lines. A statement without any leaves them out. */
import type { Fragment, Queryable } from '../postgres.ts';
import type { PlacedOrder } from './step.ts';

/** The adjustments of these orders, by each order's place among them. */
export function readAdjustments(
  sql: Queryable,
  orders: readonly Pick<PlacedOrder, 'adjustments'>[],
): Fragment {
  const adjustments = JSON.stringify(
    orders.flatMap(({ adjustments: given = [] }, place) =>
      given.map((adjustment, index) => ({ ...adjustment, place, position: index + 1 })),
    ),
  );
  return sql`
    adjustment as materialized (
      select place, position, kind, label, amount, sku
      from jsonb_to_recordset(${adjustments}::jsonb) as adjustment (
        place integer, position integer, kind text, label text, amount bigint, sku text
      )
    ),
    adjusted_line as materialized (
      select place, sku, sum(amount) as amount from adjustment where sku is not null group by place, sku
    )`;
}

/** @param placed names the orders that this statement writes: `order_id` and `place`. */
export const recordAdjustments = (sql: Queryable, placed: Fragment): Fragment => sql`
  placed_adjustment as (
    insert into order_adjustment (order_id, position, kind, label, amount, sku)
    select placed.order_id, position, kind, label, amount, sku
    from (${placed}) as placed join adjustment using (place)
  )`;
