/** Things that callers do again and again while they are measured. */
import type { Call, WorkloadName } from '../figures.ts';

/** How long a caller waited for each of its calls. */
export type Waited = Partial<Record<Call, number>>;

export interface Done {
  workflowId: string;
  waited: Waited;
  /** How often the API was away and asked to be called again. */
  retries: number;
}

export interface Workload {
  name: WorkloadName;
  /** The process that runs its workflows. */
  workerPid: number;
  /** Does one, from start to end. @throws when it does not end as it should. */
  doOne(): Promise<Done>;
}

/** Calls `call` and takes the time. */
export async function timed<T>(call: () => Promise<T>): Promise<{ result: T; ms: number }> {
  const start = performance.now();
  const result = await call();
  return { result, ms: performance.now() - start };
}
