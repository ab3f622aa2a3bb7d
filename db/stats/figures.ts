/** Derives the shop's figures from recorded events. */
import type { PendingQuery, Row } from 'postgres';
import type { Queryable } from '../postgres.ts';

/** The columns of `stat` that are sums. */
export const FIGURES = [
  'placed',
  'rejected',
  'paid',
  'cancelled',
  'expired',
  'refunded',
  'revenue',
  'refunds',
  'units_sold',
  'units_returned',
] as const;
/** Sums over any number of orders, so none of them has a bound: a number would round them. */
export type Figures = Record<(typeof FIGURES)[number], bigint>;

export const NOTHING: Readonly<Figures> = {
  placed: 0n,
  rejected: 0n,
  paid: 0n,
  cancelled: 0n,
  expired: 0n,
  refunded: 0n,
  revenue: 0n,
  refunds: 0n,
  units_sold: 0n,
  units_returned: 0n,
};

/** Adds the figures of several rows up. */
export const SUMS_OF_FIGURES = FIGURES.map((name) => `sum(${name}) as ${name}`).join(', ');

/** The figures as a query returns them: the columns of `stat`, each as text. */
export type FigureTexts = Record<(typeof FIGURES)[number], string>;

/** Selects {@link FigureTexts}: neither a number nor JSON's numbers hold a sum exactly. */
export const FIGURES_AS_TEXT = FIGURES.map((name) => `${name}::text as ${name}`).join(', ');

export function figuresIn(texts: Readonly<FigureTexts>): Figures {
  const figures = { ...NOTHING };
  for (const name of FIGURES) figures[name] = BigInt(texts[name]);
  return figures;
}

export const areSame = (one: Readonly<Figures>, other: Readonly<Figures>): boolean =>
  FIGURES.every((name) => one[name] === other[name]);

/**
 * The rows of `stat` that these events add up to.
 * @param events a query for the `order_id`, `version`, `stage` and `at` of each.
 */
export const figuresOf = (sql: Queryable, events: PendingQuery<Row[]>) => sql`
  with event as materialized (
    -- Money is what the ledger says was earned and given back for the order: at most one payment and one refund.
    -- Laterals make every part an index look-up, whatever the planner expects of a day or a batch.
    select
      event.order_id, event.version, event.stage, ordered.shop_id, (event.at at time zone 'UTC')::date as day,
      coalesce(ordered.currency, '') as currency,
      coalesce(earned.amount, 0) as revenue, coalesce(-given_back.amount, 0) as refunds
    from (${events}) as event
    cross join lateral (select shop_id, currency from orders where id = event.order_id limit 1) as ordered
    left join lateral (
      select amount
      from transfer join entry on transfer_id = transfer.id and account = 'sales'
      where event.stage = 'paid' and order_id = event.order_id and kind in ('debit', 'capture')
      limit 1
    ) as earned on true
    left join lateral (
      select amount
      from transfer join entry on transfer_id = transfer.id and account = 'sales'
      where event.stage = 'refunded' and order_id = event.order_id and kind = 'refund'
      limit 1
    ) as given_back on true
  ),
  line as materialized (
    select
      event.version, event.stage, event.shop_id, event.day, event.currency, ordered.sku,
      case event.stage when 'paid' then ordered.quantity else 0 end as sold,
      coalesce(returned.quantity, 0) as returned,
      -- Numeric: the total of a rejected order may be more than int8 holds.
      coalesce(ordered.quantity::numeric * ordered.unit_price, 0) as price
    from event
    cross join lateral (
      -- The offset changes nothing, but keeps this an index look-up.
      select sku, quantity, unit_price from order_line where order_line.order_id = event.order_id offset 0
    ) as ordered
    left join lateral (
      select quantity
      from stock_movement
      where event.stage = 'refunded' and stock_movement.order_id = event.order_id and stock_movement.sku = ordered.sku
      limit 1
    ) as returned on true
  ),
  change (shop_id, sku, day, currency, version, stage, revenue, refunds, sold, returned) as (
    select shop_id, '', day, currency, version, stage, revenue, refunds, 0, 0 from event
    union all
    -- The shop's units. Its orders and its money are in the branch above.
    select shop_id, '', day, currency, null, null, 0, 0, sold, returned from line
    union all
    select
      shop_id, sku, day, currency, version, stage,
      case stage when 'paid' then price else 0 end, case stage when 'refunded' then price else 0 end, sold, returned
    from line
  )
  select
    shop_id, sku, day, currency,
    count(*) filter (where version = 1) as placed,
    count(*) filter (where stage = 'rejected') as rejected,
    count(*) filter (where stage = 'paid') as paid,
    count(*) filter (where stage = 'cancelled') as cancelled,
    count(*) filter (where stage = 'expired') as expired,
    count(*) filter (where stage = 'refunded') as refunded,
    sum(revenue) as revenue,
    sum(refunds) as refunds,
    sum(sold) as units_sold,
    sum(returned) as units_returned
  from change
  group by shop_id, sku, day, currency
`;
