/** Sums up a technique's rounds in one row, and compares the rows with their targets. */
import { atLeast, atMost, type Target } from '../targets.ts';
import type { HotSkuRow, SoldOutRow, TechniqueName } from './figures.ts';
import type { HotSkuRound, HotSkuSeries } from './figures.ts';
import { latencyOf, median, sum } from '../../harness/statistics.ts';

/** Single rounds differ by this much without a reason. */
const NOISE = 0.05;

export function rowOf({ rounds, technique, callers, skus }: HotSkuSeries): HotSkuRow {
  return {
    technique,
    callers,
    skus,
    completed: sum(rounds.map((round) => round.completed)),
    retries: sum(rounds.map((round) => round.retries)),
    perSecond: median(rounds.map((round) => round.perSecond)),
    latency: latencyOf(rounds.flatMap((round) => round.waited)),
  };
}

export function targetsOf(series: readonly HotSkuSeries[], soldOut: readonly SoldOutRow[]): Target[] {
  const ratios = (callers: number, to: TechniqueName, of: (round: HotSkuRound) => number): number[] => {
    const roundsOf = (name: TechniqueName): HotSkuRound[] =>
      series.find((one) => one.callers === callers && one.technique === name)?.rounds ?? [];
    // Round by round: both sides of a round met the same minute of the machine.
    const others = roundsOf(to).map(of);
    return roundsOf('group commit').map((round, index) => of(round) / (others[index] ?? NaN));
  };
  const rate = (round: HotSkuRound): number => round.perSecond;
  const p50 = (round: HotSkuRound): number => latencyOf(round.waited).p50;
  const p99 = (round: HotSkuRound): number => latencyOf(round.waited).p99;
  const oversold = sum(soldOut.map((row) => row.oversold));
  return [
    atLeast(15, 'group commit / read then write: rate, 128 callers', ratios(128, 'read then write', rate)),
    atMost(1, 'group commit / one statement: p99, 128 callers', ratios(128, 'one statement', p99)),
    atMost(0, 'units oversold', [], oversold),
    ...[1, 16].flatMap((callers) => [
      atLeast(
        1 - NOISE,
        `group commit / one statement: rate, no contention, ${callers} callers`,
        ratios(callers, 'one statement', rate),
      ),
      atMost(
        1 + NOISE,
        `group commit / one statement: p50, no contention, ${callers} callers`,
        ratios(callers, 'one statement', p50),
      ),
    ]),
  ];
}
