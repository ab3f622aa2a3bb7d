/**
 * Whether a decision leaves the counters of an order's SKUs right. What was ever sold of a SKU may take longer to sum than a decision may
 * take, so it is summed only where the decision changed what the counters have besides this order.
 */
import type { Queryable } from '../postgres.ts';
import { isOversold, unitsHeld, unitsLeft } from '../rules/stock.ts';
import type { Breach } from './breaches.ts';

/** What the counters of a SKU have besides the order. */
export interface OtherStock {
  subject: string;
  onHand: number;
  reserved: number;
}

/** Of each SKU of the order: nobody changes these while its rows are locked, and no decision about the order may. */
export const stockOfOthers = (sql: Queryable, orderId: string): PromiseLike<OtherStock[]> => sql<
  OtherStock[]
>`
  select
    shop_id || '/' || sku.sku as subject, on_hand - moved.quantity + own.consumed as "onHand", reserved - own.held as reserved
  from sku
  cross join lateral (
    select
      coalesce(sum(quantity) filter (where state = 'consumed'), 0)::bigint as consumed,
      coalesce(sum(quantity) filter (where state = 'held'), 0)::bigint as held
    from reservation
    where order_id = ${orderId} and reservation.sku = sku.sku
  ) as own
  cross join lateral (
    select coalesce(sum(quantity), 0)::bigint as quantity from stock_movement where order_id = ${orderId} and stock_movement.sku = sku.sku
  ) as moved
  where (shop_id, sku.sku) in (${skusOf(sql, orderId)})
  order by subject
`;

/** What is wrong with the SKUs whose counters changed otherwise than the order's rows did. @param before the decision. */
export async function wrongStock(
  sql: Queryable,
  orderId: string,
  before: readonly OtherStock[],
): Promise<Breach[]> {
  const known = new Map(before.map((stock) => [stock.subject, stock]));
  // The SKUs of an order that is recorded only now are reserved by its step, which changes both alike.
  const changed = (await stockOfOthers(sql, orderId)).filter(({ subject, onHand, reserved }) => {
    const was = known.get(subject);
    return was !== undefined && (was.onHand !== onHand || was.reserved !== reserved);
  });
  if (changed.length === 0) return [];
  const subjects = JSON.stringify(changed.map(({ subject }) => ({ subject })));
  return sql<Breach[]>`
    select
      'stock_counter_wrong' as kind, subject,
      format('on hand %s, by its movements and sales %s; reserved %s, by its reservations %s', on_hand, units_left, reserved, held) as finding
    from jsonb_to_recordset(${subjects}::text::jsonb) as changed (subject text)
    join sku on sku.shop_id = split_part(subject, '/', 1) and sku.sku = split_part(subject, '/', 2)
    cross join lateral (
      select
        ${unitsHeld(sql, sql`sku.shop_id`, sql`sku.sku`)} as held, ${unitsLeft(sql, sql`sku.shop_id`, sql`sku.sku`)} as units_left
    ) as summed
    where on_hand <> units_left or reserved <> held or ${isOversold(sql)}
  `;
}

const skusOf = (sql: Queryable, orderId: string) => sql`
  select shop_id, sku from reservation where order_id = ${orderId}
  union
  select orders.shop_id, order_line.sku from order_line join orders on orders.id = order_id where order_id = ${orderId}
`;
