/** What every benchmark gets and runs on. */
import type { Outcome } from '../harness/command.ts';
import type { RunOptions } from '../harness/processes.ts';
import { withSystem, type System } from '../harness/system.ts';

export type { Outcome } from '../harness/command.ts';

export interface BenchmarkOptions extends RunOptions {
  /** How long one round lasts; undefined: as long as the benchmark thinks best. */
  seconds: number | undefined;
  /** How many orders to write; undefined: as many as the benchmark thinks best. */
  rows?: number | undefined;
}

/** @throws when a request was not answered as expected or a rule of the system is broken: then there are no figures. */
export type Benchmark = (options: BenchmarkOptions) => Promise<Outcome & { hasFailed?: boolean }>;

/** Orders wait as long as in production. */
export const API_SETTINGS = { PAYMENT_WINDOW: '15m' } as const;

/** Runs a benchmark on a system of its own. @param more settings of worker and API. */
export function withBenchSystem<T>(
  { signal, report }: RunOptions,
  use: (system: System) => Promise<T>,
  more: NodeJS.ProcessEnv = {},
): Promise<T> {
  const settings = { worker: more, API: { ...API_SETTINGS, ...more } };
  return withSystem({ prefix: 'holdfast-bench-', restarts: false, settings, signal, report }, use);
}
