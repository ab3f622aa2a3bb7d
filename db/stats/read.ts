/** Reads the shop's figures by day. */
import { ALL_SHOPS, type ShopScope } from '../../domain/shops.ts';
import type { Database } from '../connection.ts';
import type { Queryable } from '../postgres.ts';
import { FIGURES_AS_TEXT, SUMS_OF_FIGURES, figuresIn, type Figures, type FigureTexts } from './figures.ts';

export interface StatRange {
  shop: ShopScope;
  /** Days in UTC, YYYY-MM-DD, both included. */
  from: string;
  to: string;
  /** Undefined for the whole shop. */
  sku: string | undefined;
}

export interface DayFigures {
  day: string;
  /** '' for orders that were never priced. */
  currency: string;
  figures: Figures;
}

export interface Stats {
  /** Everything recorded until then is counted; null when nothing was counted yet. */
  countedUntil: Date | null;
  /** By day and currency, without days on which nothing happened. */
  days: DayFigures[];
}

interface Day extends FigureTexts {
  day: string;
  currency: string;
}

/** When no day matches, there is one row with the time alone. */
type StatsRow = { countedUntil: string | null } & (Day | { day: null });

/** One statement, so that the figures are those of `countedUntil`. */
export const statsQuery = (sql: Queryable, { shop, from, to, sku = '' }: StatRange) => sql<StatsRow[]>`
  select counted_until::text as "countedUntil", day::text, currency, ${sql.unsafe(FIGURES_AS_TEXT)}
  from stat_progress
  left join (
    select day, currency, ${sql.unsafe(SUMS_OF_FIGURES)}
    from stat
    where
      ${shop === ALL_SHOPS ? sql`true` : sql`shop_id = ${shop}`}
      and sku = ${sku} and day between ${from}::text::date and ${to}::text::date
    group by day, currency
  ) as stat on true
  order by stat.day, stat.currency
`;

/** The figures of a shop or of all, or those of a SKU, day by day. */
export async function readStats(database: Database, range: StatRange): Promise<Stats> {
  const rows = await database.run(({ sql }) => statsQuery(sql, range));
  const countedUntil = rows[0]?.countedUntil ?? null;
  return {
    countedUntil: countedUntil === null ? null : new Date(countedUntil),
    days: rows.flatMap((row) =>
      row.day === null ? [] : [{ day: row.day, currency: row.currency, figures: figuresIn(row) }],
    ),
  };
}
