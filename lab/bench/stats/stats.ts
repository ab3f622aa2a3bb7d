/** Measures the shop's figures and reconciliation's detectors with a million orders. */
import { MAIN_SHOP } from '../../../domain/shops.ts';
import { openDatabase, type Database } from '../../../db/connection.ts';
import { openPostgres, type Sql } from '../../../db/postgres.ts';
import { inspect, TABLE_KINDS, type TableKind } from '../../../db/rules/detectors.ts';
import { compareAllDays } from '../../../db/repairs/figures.ts';
import { PAGE_ROWS } from '../../../db/rules/rules.ts';
import { countPending } from '../../../db/stats/count.ts';
import { readStats, statsQuery, type StatRange } from '../../../db/stats/read.ts';
import type { BenchmarkOptions, Outcome } from '../benchmark.ts';
import { load } from '../../harness/load.ts';
import { describeHost, loadNow } from '../../harness/machine.ts';
import { withPostgres } from '../../harness/own-postgres.ts';
import { latencyOf } from '../../harness/statistics.ts';
import type { DetectorRow, StatsFigures, StatsRow } from './figures.ts';
import { statsMarkdown } from './report.ts';
import { LAST_DAY, ORDERS, SKUS, writeOrders } from './shop.ts';

const SECONDS = 2;
const RANGES = [1, 30, 365] as const;
const A_SKU = 'BENCH-7';
/** Between two lines of report. */
const COUNT_FOR_MS = 10_000;
const DAY_MS = 86_400_000;

/** {@link StatsFigures} says what it measures. @throws when a figure differs from its events, or a row is found wrong. */
export function benchStats({ seconds = SECONDS, signal, report }: BenchmarkOptions): Promise<Outcome> {
  const loadBefore = loadNow();
  const startedAt = new Date().toISOString();
  return withPostgres({ signal, report }, async (url, running) => {
    const database = openDatabase(url, { connections: 2, name: 'holdfast bench' });
    const sql = openPostgres(url, { connections: 1 });
    try {
      report(`Writing ${ORDERS} orders.`);
      await sql.begin((transaction) => writeOrders(transaction, report));
      await sql`vacuum (analyze)`;
      const events = await pendingOf(sql);
      const counting = await timed(() => countAll(database, { signal: running, report }));
      await sql`vacuum (analyze) stat, stat_pending`;
      const reconciling = await timed(() => reconcileAll(database, report));
      report('Inspecting the tables.');
      const detectors: DetectorRow[] = [];
      for (const kind of TABLE_KINDS) {
        running.throwIfAborted();
        detectors.push(await inspectAll(database, kind));
      }
      const rows: StatsRow[] = [];
      for (const days of RANGES)
        for (const whose of ['shop', 'SKU'] as const)
          rows.push(await ask(database, { days, of: whose, seconds, signal: running }));
      const figures: StatsFigures = {
        benchmark: 'stats',
        startedAt,
        machine: await describeHost(url, loadBefore),
        orders: ORDERS,
        skus: SKUS,
        events,
        statRows: await statRowsOf(sql),
        secondsPerRow: seconds,
        seconds: { count: counting, reconcile: reconciling },
        detectors,
        rows,
        plans: [
          { of: 'shop', lines: await planOf(sql, rangeOf(365, 'shop')) },
          { of: 'SKU', lines: await planOf(sql, rangeOf(365, 'SKU')) },
        ],
      };
      return { figures, markdown: statsMarkdown(figures) };
    } finally {
      await Promise.all([database.close(), sql.end()]);
    }
  });
}

async function timed(work: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1_000;
}

async function countAll(
  database: Database,
  { signal, report }: Pick<BenchmarkOptions, 'signal' | 'report'>,
): Promise<void> {
  report('Counting.');
  for (;;) {
    signal.throwIfAborted();
    const { counted, isDone } = await countPending(database, COUNT_FOR_MS);
    report(`  ${counted} events`);
    if (isDone) return;
  }
}

async function reconcileAll(database: Database, report: BenchmarkOptions['report']): Promise<void> {
  report('Reconciling.');
  const [wrong] = await compareAllDays(database);
  if (wrong) throw new Error(`${wrong.subject}: ${wrong.finding}`);
}

async function inspectAll(database: Database, kind: TableKind): Promise<DetectorRow> {
  const now = new Date().toISOString();
  const row: DetectorRow = { kind, rows: 0, seconds: 0, longestMs: 0 };
  for (let after: string | null = null; ;) {
    const start = performance.now();
    const page = await database.run(({ sql }) => inspect(sql, kind, { after, limit: PAGE_ROWS, now }));
    const ms = performance.now() - start;
    const wrong = page.find(({ finding }) => finding !== null);
    if (wrong) throw new Error(`${kind} ${wrong.subject}: ${wrong.finding}`);
    row.rows += page.length;
    row.seconds += ms / 1_000;
    row.longestMs = Math.max(row.longestMs, ms);
    after = page.at(-1)?.subject ?? null;
    if (page.length < PAGE_ROWS) return row;
  }
}

async function ask(
  database: Database,
  { days, of, seconds, signal }: Pick<StatsRow, 'days' | 'of'> & { seconds: number; signal: AbortSignal },
): Promise<StatsRow> {
  const range = rangeOf(days, of);
  const waited: number[] = [];
  await load({ callers: 1, seconds, signal }, async () => {
    const start = performance.now();
    const stats = await readStats(database, range);
    waited.push(performance.now() - start);
    if (stats.days.length !== days)
      throw new Error(`${days} days were requested, ${stats.days.length} came.`);
  });
  return { days, of, asked: waited.length, latency: latencyOf(waited) };
}

function rangeOf(days: number, of: StatsRow['of']): StatRange {
  const from = new Date(Date.parse(LAST_DAY) - (days - 1) * DAY_MS).toISOString().slice(0, 10);
  return { shop: MAIN_SHOP, from, to: LAST_DAY, sku: of === 'SKU' ? A_SKU : undefined };
}

async function planOf(sql: Sql, range: StatRange): Promise<string[]> {
  const lines = await sql<{ 'QUERY PLAN': string }[]>`explain (analyze, buffers) ${statsQuery(sql, range)}`;
  return lines.map((line) => line['QUERY PLAN']);
}

async function pendingOf(sql: Sql): Promise<number> {
  const [row] = await sql<{ count: number }[]>`select count(*) from stat_pending`;
  return row?.count ?? 0;
}

async function statRowsOf(sql: Sql): Promise<number> {
  const [row] = await sql<{ count: number }[]>`select count(*) from stat`;
  return row?.count ?? 0;
}
