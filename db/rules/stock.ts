/** Detectors of stock: the counters of a SKU, and units held for orders that are over. */
import type { Queryable } from '../postgres.ts';
import { NIL, keysOf, type Detector, type Fragment, type Inspected, type PageOfRows } from './detector.ts';

/** Units of a SKU that its reservations hold. */
export const unitsHeld = (sql: Queryable, shopId: Fragment, sku: Fragment): Fragment => sql`
  (
    select coalesce(sum(quantity), 0)
    from reservation
    where reservation.shop_id = ${shopId} and reservation.sku = ${sku} and state = 'held'
  )
`;

/** Units of a SKU that must be on hand: all that came in (returns too) less all that were sold. Grows with what was sold. */
export const unitsLeft = (sql: Queryable, shopId: Fragment, sku: Fragment): Fragment => sql`
  (
    (
      select coalesce(sum(quantity), 0)
      from stock_movement
      where stock_movement.shop_id = ${shopId} and stock_movement.sku = ${sku}
    )
    - (
      select coalesce(sum(quantity), 0)
      from reservation
      where reservation.shop_id = ${shopId} and reservation.sku = ${sku} and state = 'consumed'
    )
  )
`;

/** Whether a SKU has promised units that it cannot have. */
export const isOversold = (sql: Queryable): Fragment => sql`(reserved < 0 or reserved > on_hand)`;

/**
 * SKUs, and SKUs that are missing but have rows: a backup may be restored without them. Each step asks every index for its next SKU,
 * because a single one may have millions of rows.
 */
function skusAndOrphans(sql: Queryable, { after, limit }: PageOfRows): Fragment {
  const [shop = '', code = ''] = keysOf(after);
  const nextIn = (rows: Fragment, shopId: Fragment, sku: Fragment) => sql`
    (
      select shop_id, sku from ${rows} and (shop_id, sku) > (${shopId}, ${sku})
      order by shop_id, sku
      limit 1
    )
  `;
  const nextAfter = (shopId: Fragment, sku: Fragment) => sql`
    select shop_id, sku
    from (
      ${nextIn(sql`sku where true`, shopId, sku)}
      union all
      ${nextIn(sql`stock_movement where true`, shopId, sku)}
      union all
      ${nextIn(sql`reservation where state = 'held'`, shopId, sku)}
      union all
      ${nextIn(sql`reservation where state = 'consumed'`, shopId, sku)}
    ) as next
    order by shop_id, sku
    limit 1
  `;
  return sql`
    with recursive known (shop_id, sku, number) as (
      select shop_id, sku, 1 from (${nextAfter(sql`${shop}`, sql`${code}`)}) as first
      union all
      select next.shop_id, next.sku, number + 1
      from known cross join lateral (${nextAfter(sql`known.shop_id`, sql`known.sku`)}) as next
      where number < ${limit}
    )
    select format('%s/%s', known.shop_id, known.sku) as subject, known.shop_id, known.sku, on_hand, reserved
    from known left join sku on sku.shop_id = known.shop_id and sku.sku = known.sku
  `;
}

/** Rules 1 and 2: a SKU's counters are what they sum. */
export const stockCounters: Detector = {
  page: skusAndOrphans,
  inspect: (sql, page) => sql<Inspected[]>`
    select
      subject, null as "orderId", to_json(breaks) as breaks,
      case
        when breaks = '{}' then null
        when on_hand is null
          then format('does not exist, but by its movements and sales %s are on hand, and its reservations hold %s', units_left, held)
        else format(
          'on hand %s, by its movements and sales %s; reserved %s, by its reservations %s', on_hand, units_left, reserved, held
        )
      end as finding
    from (${skusAndOrphans(sql, page)}) as page
    cross join lateral (
      select
        ${unitsHeld(sql, sql`page.shop_id`, sql`page.sku`)} as held,
        ${unitsLeft(sql, sql`page.shop_id`, sql`page.sku`)} as units_left
    ) as summed
    cross join lateral (
      select
        array_remove(
          array[
            case when reserved is distinct from held or ${isOversold(sql)} then 1 end,
            case when on_hand is distinct from units_left then 2 end
          ],
          null
        ) as breaks
    ) as judged
    order by page.shop_id, page.sku
  `,
};

const heldReservations = (sql: Queryable, { after, limit }: PageOfRows): Fragment => {
  const [shopId = '', sku = '', orderId = NIL] = keysOf(after);
  return sql`
    select format('%s/%s/%s', shop_id, sku, order_id) as subject, shop_id, sku, order_id, quantity
    from reservation
    where state = 'held' and (shop_id, sku, order_id) > (${shopId}, ${sku}, ${orderId}::uuid)
    order by shop_id, sku, order_id
    limit ${limit}
  `;
};

/** Rule 7: only an open order holds units. */
export const unitsHeldByClosedOrders: Detector = {
  page: heldReservations,
  inspect: (sql, page) => sql<Inspected[]>`
    select
      subject, held.order_id as "orderId",
      case
        when orders.id is null then format('%s units of %s are held for an order that does not exist', quantity, sku)
        when stage <> 'awaiting_payment' then format('%s units of %s are held for an order that is %s', quantity, sku, stage)
      end as finding
    from (${heldReservations(sql, page)}) as held
    left join orders on orders.id = held.order_id
    order by held.shop_id, held.sku, held.order_id
  `,
};
