/** Detectors of stock: the counters of a SKU, and units held for orders that are over. */
import type { Queryable } from '../postgres.ts';
import { NIL, keysOf, type Detector, type Fragment, type Inspected, type PageOfRows } from './detector.ts';

/** Units of a SKU that its reservations hold. */
export const unitsHeld = (sql: Queryable, sku: Fragment): Fragment => sql`
  (select coalesce(sum(quantity), 0) from reservation where reservation.sku = ${sku} and state = 'held')
`;

/** Units of a SKU that must be on hand: all that came in (returns too) less all that were sold. Grows with what was sold. */
export const unitsLeft = (sql: Queryable, sku: Fragment): Fragment => sql`
  (
    (select coalesce(sum(quantity), 0) from stock_movement where stock_movement.sku = ${sku})
    - (select coalesce(sum(quantity), 0) from reservation where reservation.sku = ${sku} and state = 'consumed')
  )
`;

/** Whether a SKU has promised units that it cannot have. */
export const isOversold = (sql: Queryable): Fragment => sql`(reserved < 0 or reserved > on_hand)`;

/**
 * SKUs, and SKUs that are missing but have rows: a backup may be restored without them. Each step asks every index for its next SKU,
 * because a single one may have millions of rows.
 */
function skusAndOrphans(sql: Queryable, { after, limit }: PageOfRows): Fragment {
  const nextAfter = (sku: Fragment) => sql`
    least(
      (select min(sku) from sku where sku > ${sku}),
      (select min(sku) from stock_movement where sku > ${sku}),
      (select min(sku) from reservation where state = 'held' and sku > ${sku}),
      (select min(sku) from reservation where state = 'consumed' and sku > ${sku})
    )
  `;
  return sql`
    with recursive known (sku, number) as (
      select ${nextAfter(sql`${after ?? ''}`)}, 1
      union all
      select ${nextAfter(sql`known.sku`)}, number + 1
      from known
      where known.sku is not null and number < ${limit}
    )
    select known.sku as subject, known.sku, on_hand, reserved
    from known left join sku on sku.sku = known.sku
    where known.sku is not null
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
      select ${unitsHeld(sql, sql`page.sku`)} as held, ${unitsLeft(sql, sql`page.sku`)} as units_left
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
    order by page.sku
  `,
};

const heldReservations = (sql: Queryable, { after, limit }: PageOfRows): Fragment => {
  const [sku = '', orderId = NIL] = keysOf(after);
  return sql`
    select format('%s/%s', sku, order_id) as subject, sku, order_id, quantity
    from reservation
    where state = 'held' and (sku, order_id) > (${sku}, ${orderId}::uuid)
    order by sku, order_id
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
    order by held.sku, held.order_id
  `,
};
