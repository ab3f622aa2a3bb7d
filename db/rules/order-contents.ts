/** The part of the detector of inconsistent orders that proves what an order comes to. Joined to a `page` row, as those in order-parts.ts. */
import type { Queryable } from '../postgres.ts';
import type { Fragment } from './detector.ts';

/**
 * A total is what its lines and adjustments come to, in any stage. Once reserved, no line costs less than nothing, and each line knows
 * its adjustments. Numeric: an order that was rejected may come to more than int8 holds.
 */
export const contents = (sql: Queryable): Fragment => sql`
  select
    nullif(
      concat_ws(
        '; ',
        case
          when page.total <> line.amount + adjustment.amount
            then format(
              'its total is %s, and its lines come to %s and its adjustments to %s', page.total, line.amount, adjustment.amount
            )
        end,
        case when page.stage not in ('rejected', 'cancelled') and line.is_negative then 'one of its lines costs less than nothing' end,
        line.misled
      ),
      ''
    ) as problem
  from (
    select
      sum(quantity::numeric * unit_price) as amount,
      bool_or(quantity::numeric * unit_price + adjustment < 0) as is_negative,
      string_agg(
        format('its line of %s says %s of adjustments that come to %s', sku, adjustment, adjusted.amount), '; ' order by sku
      ) filter (where adjustment <> adjusted.amount) as misled
    from order_line
    cross join lateral (
      select coalesce(sum(amount), 0) as amount
      from order_adjustment
      where order_adjustment.order_id = order_line.order_id and order_adjustment.sku = order_line.sku
    ) as adjusted
    where order_line.order_id = page.id
  ) as line
  cross join (
    select coalesce(sum(amount), 0) as amount from order_adjustment where order_adjustment.order_id = page.id
  ) as adjustment
`;
