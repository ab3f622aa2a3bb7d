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
 * The rows of `stat` that these events add up to. What one event adds is the rule of `event_figures`, in migrations/0015_dropped_events.sql.
 * @param events a query for the `order_id`, `version`, `stage` and `at` of each.
 */
export const figuresOf = (sql: Queryable, events: PendingQuery<Row[]>) => sql`
  select shop_id, sku, day, currency, ${sql.unsafe(SUMS_OF_FIGURES)}
  from (${events}) as event
  cross join lateral event_figures(event.order_id, event.version, event.stage, event.at) as added
  group by shop_id, sku, day, currency
`;
