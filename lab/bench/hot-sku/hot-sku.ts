/**
 * Measures a SKU that everybody buys: reservations at the activity level, without Temporal, by techniques that take turns on one
 * database. And what they cost when no order is in another's way.
 */
import { openPostgres, type Sql } from '../../../db/postgres.ts';
import { openDatabase, type DatabasePool } from '../../../db/connection.ts';
import { isDatabaseUnavailable } from '../../../db/errors.ts';
import { RULES } from '../../../db/rules/rules.ts';
import { groupReservations } from '../../../activities/reservation-queue.ts';
import { reserve } from '../../../db/steps/reserve.ts';
import type { PlacedOrder, StepResult } from '../../../db/steps/step.ts';
import type { BenchmarkOptions, Outcome } from '../benchmark.ts';
import type { HotSkuFigures, SoldOutRow, TechniqueName } from './figures.ts';
import { hotSkuMarkdown } from './report.ts';
import type { HotSkuRound, HotSkuSeries } from './figures.ts';
import { openHotSkuShop, type HotSkuShop } from './shop.ts';
import { rowOf, targetsOf } from './summary.ts';
import { load } from '../../harness/load.ts';
import { describeHost, loadNow } from '../../harness/machine.ts';
import { withPostgres } from '../../harness/own-postgres.ts';
import { lockDecideRecord, lockDecideRecordAll } from './lock-decide-record.ts';
import { readThenWrite } from './read-then-write.ts';
import { sum } from '../../harness/statistics.ts';
import { verifyRules } from '../../harness/verify.ts';

/** Many and short, so that whatever else the machine does meets all techniques alike. */
const ROUNDS = 8;
const SECONDS = 2;
const WARM_UP_SECONDS = 1;
const HOT_CALLERS = 128;
/** One per caller, so that they wait for the row and not for a connection. The techniques share them. */
const CONNECTIONS = HOT_CALLERS;
const CALM_CALLERS = [1, 16] as const;
/** Enough that two callers rarely order the same one. */
const MANY_SKUS = 10_000;
const PLENTY = 1_000_000_000;
/** Fewer than the callers ask for within a second. */
const FEW_UNITS = 500;

const CROWDED = [
  'read then write',
  'one statement',
  'group commit',
  'group commit of lock, decide, record',
] as const;
const CALM = ['one statement', 'group commit', 'lock, decide, record'] as const;

type Reserve = (order: PlacedOrder) => Promise<StepResult>;

interface Bench {
  techniques: Readonly<Record<TechniqueName, Reserve>>;
  shop: HotSkuShop;
  /** For inspection. */
  sql: Sql;
  options: BenchmarkOptions & { seconds: number };
}

/** Measures {@link HotSkuFigures}. */
export function benchHotSku({ seconds = SECONDS, signal, report }: BenchmarkOptions): Promise<Outcome> {
  const loadBefore = loadNow();
  const startedAt = new Date().toISOString();
  return withPostgres({ signal, report }, async (url, running) => {
    const database = openDatabase(url, { connections: CONNECTIONS, name: 'holdfast bench' });
    const sql = openPostgres(url, { connections: 1 });
    try {
      const bench: Bench = {
        techniques: techniquesOn(database),
        shop: await openHotSkuShop(sql),
        sql,
        options: { seconds, signal: running, report },
      };
      const series = await measure(bench);
      const soldOut = await sellOut(bench);
      await verifyRules(sql);
      const rows = series.map((one) => rowOf(one));
      const figures: HotSkuFigures = {
        benchmark: 'hot-sku',
        startedAt,
        machine: await describeHost(url, loadBefore),
        connections: CONNECTIONS,
        rounds: ROUNDS,
        secondsPerRound: seconds,
        rows,
        soldOut,
        targets: targetsOf(series, soldOut),
      };
      return { figures, markdown: hotSkuMarkdown(figures) };
    } finally {
      await Promise.all([database.close(), sql.end()]);
    }
  });
}

function techniquesOn(database: DatabasePool): Bench['techniques'] {
  return {
    'read then write': (order) => readThenWrite(database, order),
    'one statement': (order) => reserve(database, order),
    'lock, decide, record': (order) => lockDecideRecord(database, order),
    'group commit': groupReservations(database),
    'group commit of lock, decide, record': groupReservations(database, {
      reserve: (_, order) => lockDecideRecord(database, order),
      reserveAll: (_, orders) => lockDecideRecordAll(database, orders),
    }),
  };
}

async function measure(bench: Bench): Promise<HotSkuSeries[]> {
  const { seconds, report } = bench.options;
  const series = (techniques: readonly TechniqueName[], callers: number, skus: number): HotSkuSeries[] =>
    techniques.map((technique) => ({ technique, callers, skus, rounds: [] }));
  const crowd = series(CROWDED, HOT_CALLERS, 1);
  // Techniques that differ by little meet the same moment of the machine when each caller uses them in turn.
  const together = CALM_CALLERS.map((callers) => series(CALM, callers, MANY_SKUS));
  const plans = [...crowd.map((one) => [one]), ...together];
  report('Warming up.');
  for (const plan of plans) await runRound(bench, plan, WARM_UP_SECONDS);
  for (let number = 1; number <= ROUNDS; number++) {
    report(`Round ${number} of ${ROUNDS}`);
    // Backwards every second time, so that no technique always has the later, fuller database.
    for (const plan of number % 2 === 1 ? plans : plans.toReversed()) {
      const rounds = await runRound(bench, plan, seconds);
      plan.forEach((one, index) => {
        const round = rounds[index];
        if (!round) return;
        one.rounds.push(round);
        report(
          `  ${one.technique}, callers: ${one.callers}, SKUs: ${one.skus}: ${round.perSecond.toFixed(0)} a second`,
        );
      });
    }
  }
  return plans.flat();
}

/**
 * Each caller calls the techniques of the plan in turn.
 * @throws when the reserved units are not exactly those that the callers were promised.
 */
async function runRound(
  { techniques, shop, sql, options: { signal } }: Bench,
  plan: readonly HotSkuSeries[],
  seconds: number,
): Promise<HotSkuRound[]> {
  const [{ callers, skus } = { callers: 0, skus: 0 }] = plan;
  const { prefix, nextOrder } = await shop.stockUp(skus, PLENTY);
  const rounds = plan.map(({ technique }) => {
    const waited: number[] = [];
    return { call: techniques[technique], waited, retries: 0 };
  });
  let turns = 0;
  await load({ callers, seconds, signal }, async () => {
    // Each technique goes first in its turn.
    for (const round of turns++ % 2 === 0 ? rounds : rounds.toReversed()) {
      const order = nextOrder();
      const start = performance.now();
      const { result, retries } = await persist(round.call, order, signal);
      round.waited.push(performance.now() - start);
      round.retries += retries;
      if (result.stage !== 'awaiting_payment') throw new Error(`An order was ${result.stage}.`);
    }
  });
  const promised = sum(rounds.map(({ waited }) => waited.length));
  const { reserved } = await shop.countUnits(prefix);
  if (reserved !== promised) throw new Error(`${promised} units were promised and ${reserved} reserved.`);
  await verifyRules(
    sql,
    RULES.filter(({ number }) => number === 1),
  );
  return rounds.map(({ waited, retries }) => ({
    completed: waited.length,
    // What the callers did in the time that they gave to this technique.
    perSecond: (callers * waited.length * 1_000) / sum(waited),
    waited,
    retries,
  }));
}

/** Calls again, as Temporal does, when PostgreSQL gave up on the call. */
async function persist(
  call: Reserve,
  order: PlacedOrder,
  signal: AbortSignal,
): Promise<{ result: StepResult; retries: number }> {
  for (let retries = 0; ; retries++) {
    signal.throwIfAborted();
    try {
      return { result: await call(order), retries };
    } catch (error) {
      if (!isDatabaseUnavailable(error)) throw error;
    }
  }
}

/** Lets callers order until nothing is left, by each technique. @throws when not exactly all units were granted. */
async function sellOut({ techniques, shop, options: { signal, report } }: Bench): Promise<SoldOutRow[]> {
  const rows: SoldOutRow[] = [];
  for (const technique of CROWDED) {
    report(`Selling out by ${technique}`);
    const { prefix, nextOrder } = await shop.stockUp(1, FEW_UNITS);
    let [granted, refused] = [0, 0];
    const buyer = async () => {
      for (;;) {
        const { result } = await persist(techniques[technique], nextOrder(), signal);
        if (result.stage !== 'awaiting_payment') break;
        granted += 1;
      }
      refused += 1;
    };
    await Promise.all(Array.from({ length: HOT_CALLERS }, buyer));
    const { onHand, reserved } = await shop.countUnits(prefix);
    if (granted !== FEW_UNITS || reserved !== granted)
      throw new Error(`${granted} of ${FEW_UNITS} units were promised and ${reserved} reserved.`);
    rows.push({ technique, units: FEW_UNITS, granted, refused, oversold: Math.max(0, reserved - onHand) });
  }
  return rows;
}
