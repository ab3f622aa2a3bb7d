/** Makes the figures of a run from what it did and found. */
import { describeHardware } from '../harness/machine.ts';
import type { BookedPayment } from '../harness/provider.ts';
import type { Arrival } from '../harness/receiver.ts';
import { sum } from '../harness/statistics.ts';
import type { CalmIntervals } from './calm-intervals.ts';
import type { ExperimentOptions } from './experiment-options.ts';
import { expiryLags } from './expiry-lag.ts';
import type { FaultSystem } from './fault-system.ts';
import { TARGET_NAMES } from './faults.ts';
import { FAULT_KINDS, type FaultKind, type FaultRecord, type Rate, type RunFigures } from './figures.ts';
import type { Recorded } from './recorded.ts';

export interface RunOutcome extends Pick<
  RunFigures,
  'startedAt' | 'tries' | 'openAtHeal' | 'recovery' | 'violations'
> {
  recorded: Recorded;
  /** The provider's. */
  book: readonly BookedPayment[];
  faults: readonly FaultRecord[];
  /** From the start of the nemesis to its end. */
  faultSeconds: number;
  calm: Pick<CalmIntervals, 'count' | 'seconds'>;
  /** By the receiver's name. */
  arrived: ReadonlyMap<string, readonly Arrival[]>;
  rates: Record<'before' | 'during' | 'after', Rate>;
}

export function summarize(
  { seed, pace, kills, longest, callers, arrivals, paymentWindow }: ExperimentOptions,
  { temporalCli, servers }: FaultSystem,
  {
    startedAt,
    recorded,
    book,
    tries,
    faults,
    faultSeconds,
    calm,
    openAtHeal,
    recovery,
    rates,
    arrived,
    violations,
  }: RunOutcome,
): RunFigures {
  return {
    startedAt,
    seed,
    paceSeconds: pace,
    kills,
    longestSeconds: longest,
    callers,
    arrivals,
    paymentWindow,
    machine: { ...describeHardware(), temporal: temporalCli.version },
    orders: countByStage(recorded),
    refunds: countRefunds(recorded),
    payments: countPayments(recorded, book),
    tries,
    faults: summarizeFaults(faults, faultSeconds),
    lulls: { count: calm.count, seconds: calm.seconds },
    endedByThemselves: Object.values(servers).flatMap(({ name, endedByItself }) =>
      endedByItself.map((how) => `${name}: ${how}`),
    ),
    expiryLag: expiryLags(recorded, faults),
    attentionMarks: recorded.attentionMarks,
    openAtHeal,
    recovery,
    events: [...arrived].map(([receiver, all]) => ({
      receiver,
      arrived: all.length,
      different: new Set(all.map(({ id }) => id)).size,
      kills: faults.filter(({ target }) => target === receiver).length,
    })),
    rates: { ...rates, recovered: rates.after.perSecond / rates.before.perSecond },
    violations,
  };
}

function countByStage({ orders }: Recorded): RunFigures['orders'] {
  const groups = Map.groupBy(orders.values(), ({ stage }) => stage);
  const byStage = [...groups].map(([stage, some]) => [stage, some.length] as const);
  return { all: orders.size, byStage: Object.fromEntries(byStage) };
}

function countPayments(
  { orders, payments, notifications, extended }: Recorded,
  book: readonly BookedPayment[],
): RunFigures['payments'] {
  const groups = Map.groupBy([...payments.values()].flat(), ({ method, state }) => `${method} ${state}`);
  return {
    byState: Object.fromEntries([...groups].map(([what, some]) => [what, some.length])),
    orders: [...orders.values()].filter(({ secured }) => secured > 0).length,
    captured: sum(book.map((one) => one.captured)),
    refunded: sum(book.map((one) => one.refunded)),
    notifications,
    extended,
  };
}

function countRefunds({ orders, refunds }: Recorded): RunFigures['refunds'] {
  const all = [...refunds.values()].flat();
  const parts = all.filter(({ orderId, amount }) => amount !== orders.get(orderId)?.taken);
  return { all: all.length, inPart: parts.length };
}

function summarizeFaults(faults: readonly FaultRecord[], seconds: number): RunFigures['faults'] {
  const byKind: Record<FaultKind, number> = {
    kill: 0,
    pause: 0,
    cut: 0,
    'lost answers': 0,
    delay: 0,
    'sessions ended': 0,
    'everything at once': 0,
  };
  for (const kind of FAULT_KINDS) byKind[kind] = faults.filter((fault) => fault.kind === kind).length;
  const kills = faults.filter(({ kind }) => kind === 'kill');
  const killsOf = Object.fromEntries(
    TARGET_NAMES.map((name) => [name, kills.filter(({ target }) => target === name).length]),
  );
  const underWay = millisecondsCovered(faults) / 1_000 / seconds;
  return { all: faults.length, byKind, killsOf, underWay, seconds, list: faults };
}

/** The time in which at least one was under way. */
function millisecondsCovered(faults: readonly FaultRecord[]): number {
  let covered = 0;
  let end = 0;
  for (const { from, until } of faults.toSorted((one, other) => one.from - other.from)) {
    covered += Math.max(until - Math.max(from, end), 0);
    end = Math.max(end, until);
  }
  return covered;
}
