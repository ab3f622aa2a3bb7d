/** Makes one row of each workload's rounds, and compares the rows with the targets. */
import { latencyOf, median, sum } from '../../harness/statistics.ts';
import { atLeast, atMost, type Target } from '../targets.ts';
import type { Call, ProcessName, Row } from './figures.ts';
import type { Round, Series } from './round.ts';

export function summarize({ workload, callers, rounds }: Series, events: Row['events']): Row {
  const completed = sum(rounds.map((round) => round.completed));
  const cpu = (name: ProcessName): number => sum(rounds.map((round) => round.cpu[name])) / completed;
  const latency: Row['latency'] = {};
  for (const call of ['result', 'create', 'pay'] as const) {
    const waited = rounds.flatMap((round) => round.waited[call]);
    if (waited.length > 0) latency[call] = latencyOf(waited);
  }
  return {
    workload: workload.name,
    callers,
    completed,
    retries: sum(rounds.map((round) => round.retries)),
    perSecond: median(rounds.map((round) => round.perSecond)),
    latency,
    events,
    cpu: {
      temporal: cpu('temporal'),
      postgres: cpu('postgres'),
      worker: cpu('worker'),
      api: cpu('api'),
      callers: cpu('callers'),
    },
  };
}

export function targetsOf(series: readonly Series[], rows: readonly Row[]): Target[] {
  const rates = ratios(
    series,
    20,
    (order) => order.perSecond,
    (nothing) => nothing.perSecond,
  );
  const waits = ratios(series, 1, medianOf('create'), medianOf('result'));
  const events = Math.max(
    ...rows.filter(({ workload }) => workload === 'order').map((row) => row.events.most),
  );
  return [
    atLeast(0.55, 'orders a second / do-nothing workflows a second, 20 callers', rates),
    atMost(1.5, 'median create / median do-nothing start to result, 1 caller', waits),
    atMost(18, 'events of a paid order, at most', [], events),
  ];
}

const medianOf = (call: Call) => (round: Round) => median(round.waited[call]);

/** One for each round, because both sides of a round met the same minute of the machine. */
function ratios(
  series: readonly Series[],
  callers: number,
  ofOrder: (round: Round) => number,
  ofNothing: (round: Round) => number,
): number[] {
  const roundsOf = (name: string): Round[] =>
    series.find((one) => one.callers === callers && one.workload.name === name)?.rounds ?? [];
  const nothing = roundsOf('nothing').map(ofNothing);
  return roundsOf('order').map((round, index) => ofOrder(round) / (nothing[index] ?? NaN));
}
