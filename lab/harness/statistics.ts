/** Sums, medians and percentiles. */

export interface Latency {
  /** Milliseconds within which half of the calls were answered. */
  p50: number;
  p99: number;
}

export function latencyOf(milliseconds: readonly number[]): Latency {
  return { p50: percentile(milliseconds, 50), p99: percentile(milliseconds, 99) };
}

export const median = (values: readonly number[]): number => percentile(values, 50);

export const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** Interpolates linearly between two values. NaN when there are none. */
function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const rank = ((sorted.length - 1) * percent) / 100;
  const below = sorted[Math.floor(rank)] ?? NaN;
  const above = sorted[Math.ceil(rank)] ?? NaN;
  return below + (above - below) * (rank - Math.floor(rank));
}
