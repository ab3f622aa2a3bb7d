/**
 * Compares a day's figures with the events that they count: those that are left, and what was kept of those that were dropped. A day of a busy shop does not fit into one statement, so its events are
 * summed page by page, while nobody counts.
 */
import type { Database } from '../connection.ts';
import { FEWER, withinTime } from './count.ts';
import {
  FIGURES,
  FIGURES_AS_TEXT,
  NOTHING,
  areSame,
  figuresIn,
  figuresOf,
  type Figures,
  type FigureTexts,
} from './figures.ts';
import { COUNTED_SO_FAR, readWhilePaused } from './pause.ts';

/** Figures of a shop, a day, a currency and a SKU ('' for all of them), as counted and as summed from the events. */
export interface Difference {
  shopId: string;
  currency: string;
  sku: string;
  counted: Figures;
  source: Figures;
}

export interface Comparison {
  differences: Difference[];
  /** COUNTED_SO_FAR: while it stays the same, so do the figures. */
  batches: number;
}

/** Some 80 ms of work: statements end after 1.5 s. */
const EVENTS_AT_ONCE = 2_000;

/** The next day, YYYY-MM-DD, that has events or figures; null after the last. */
export async function nextDay(database: Database, after: string | null): Promise<string | null> {
  const before = after ?? '0001-01-01';
  const [next] = await database.run(
    ({ sql }) => sql<{ day: string | null }[]>`
      select
        least(
          (select min(day) from stat where day > ${before}::text::date),
          (select min(day) from stat_archived where day > ${before}::text::date),
          (
            select (min(at) at time zone 'UTC')::date
            from order_event
            where at >= (${before}::text::date + 1)::timestamp at time zone 'UTC'
          )
        )::text as day
    `,
  );
  return next?.day ?? null;
}

/**
 * Nobody counts for some seconds after it returns, unless `resumeCounting` is called.
 * @param onPage is called before each page: a day may take minutes.
 */
export const compareDay = (
  database: Database,
  day: string,
  onPage: () => void = () => {},
): Promise<Comparison> =>
  readWhilePaused(database, async (extendPause) => {
    const sums = await sumDay(database, day, async () => {
      onPage();
      await extendPause();
    });
    const { batches, rows, archived } = await readCounted(database, day);
    for (const row of archived) addTo(sums, row);
    return { differences: findDifferences(rows, sums), batches };
  });

interface Key {
  shopId: string;
  sku: string;
  currency: string;
}
type Row = Key & { figures: Figures };
type RowTexts = Key & FigureTexts;

const toRow = (texts: RowTexts): Row => ({
  shopId: texts.shopId,
  sku: texts.sku,
  currency: texts.currency,
  figures: figuresIn(texts),
});

interface Counted {
  batches: number;
  rows: Row[];
  /** What the events add to them that were dropped. */
  archived: Row[];
}

async function readCounted(database: Database, day: string): Promise<Counted> {
  // One statement, so that the rows are of this moment.
  const [counted] = await database.run(
    ({ sql }) => sql<{ batches: number; rows: RowTexts[]; archived: RowTexts[] }[]>`
      select
        ${sql.unsafe(COUNTED_SO_FAR)} as batches,
        (
          select coalesce(json_agg(counted), '[]')
          from (select shop_id as "shopId", sku, currency, ${sql.unsafe(FIGURES_AS_TEXT)} from stat where day = ${day}::text::date) as counted
        ) as rows,
        (
          select coalesce(json_agg(kept), '[]')
          from (
            select shop_id as "shopId", sku, currency, ${sql.unsafe(FIGURES_AS_TEXT)} from stat_archived where day = ${day}::text::date
          ) as kept
        ) as archived
      from stat_progress
    `,
  );
  if (!counted) throw new Error('The only row of stat_progress is missing.');
  const { batches, rows, archived } = counted;
  return { batches, rows: rows.map(toRow), archived: archived.map(toRow) };
}

/** Where a page of events ends. */
interface EventCursor {
  at: string;
  orderId: string;
  version: number;
}

/** Sums the events of a day that are counted. Events recorded in the meantime are not counted, so it does not matter on which page they fall. */
async function sumDay(
  database: Database,
  day: string,
  beforePage: () => Promise<void>,
): Promise<Map<string, Row>> {
  const sums = new Map<string, Row>();
  let after: EventCursor | null = {
    at: `${day} 00:00:00Z`,
    orderId: '00000000-0000-0000-0000-000000000000',
    version: 0,
  };
  for (let limit = EVENTS_AT_ONCE; after !== null;) {
    await beforePage();
    const page: Page | 'took too long' = await withinTime(sumPage(database, day, after, limit), limit);
    if (page === 'took too long') {
      limit = Math.ceil(limit / FEWER);
      continue;
    }
    for (const row of page.rows) addTo(sums, toRow(row));
    after = page.next;
    limit = Math.min(EVENTS_AT_ONCE, 2 * limit);
  }
  return sums;
}

interface Page {
  rows: RowTexts[];
  /** Null after the last. */
  next: EventCursor | null;
}

async function sumPage(database: Database, day: string, after: EventCursor, limit: number): Promise<Page> {
  const [page] = await database.run(
    ({ sql }) => sql<Page[]>`
      with page as materialized (
        select order_id, version, stage, at
        from order_event
        where
          (at, order_id, version) > (${after.at}::text::timestamptz, ${after.orderId}::uuid, ${after.version})
          and at < (${day}::text::date + 1)::timestamp at time zone 'UTC'
        order by at, order_id, version
        limit ${limit}
      ),
      figures as (
        ${figuresOf(
          sql,
          sql`
            select order_id, version, stage, at
            from page
            where not exists (
              select from stat_pending
              where stat_pending.order_id = page.order_id and stat_pending.version = page.version
            )
          `,
        )}
      )
      select
        (
          select coalesce(json_agg(summed), '[]')
          from (select shop_id as "shopId", sku, currency, ${sql.unsafe(FIGURES_AS_TEXT)} from figures) as summed
        ) as rows,
        (
          select json_build_object('at', at::text, 'orderId', order_id, 'version', version)
          from page
          order by at desc, order_id desc, version desc
          -- A page that is not full is the last.
          limit (select (count(*) = ${limit})::integer from page)
        ) as next
    `,
  );
  if (!page) throw new Error('The sums of a page came without a row.');
  return page;
}

const keyOf = ({ shopId, currency, sku }: Key): string => `${shopId}/${currency}/${sku}`;

function addTo(sums: Map<string, Row>, row: Row): void {
  const sum = sums.get(keyOf(row));
  if (!sum) sums.set(keyOf(row), row);
  else for (const name of FIGURES) sum.figures[name] += row.figures[name];
}

/** A row of zeros equals no row. */
function findDifferences(rows: readonly Row[], sums: ReadonlyMap<string, Row>): Difference[] {
  const counted = new Map(rows.map((row) => [keyOf(row), row]));
  return [...new Set([...counted.keys(), ...sums.keys()])].toSorted().flatMap((key) => {
    const [is, sum] = [counted.get(key), sums.get(key)];
    const row = is ?? sum;
    if (!row) return [];
    const { shopId, currency, sku } = row;
    const [count, source] = [is?.figures ?? { ...NOTHING }, sum?.figures ?? { ...NOTHING }];
    return areSame(count, source) ? [] : [{ shopId, currency, sku, counted: count, source }];
  });
}
