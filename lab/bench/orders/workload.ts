/** What callers do again and again while they are measured. */
import type { LabProcess } from '../../harness/process.ts';
import type { Call, WorkloadName } from './figures.ts';

export interface Done {
  workflowId: string;
  /** Milliseconds for each of its calls. */
  waited: Partial<Record<Call, number>>;
  /** How often the API did not let a request in and asked to be called again. */
  retries: number;
}

export interface Workload {
  name: WorkloadName;
  /** Runs its workflows. */
  worker: LabProcess;
  /** Does one, from start to end. @throws when it does not end as it should. */
  doOne(): Promise<Done>;
}

export async function timed<T>(call: () => Promise<T>): Promise<{ result: T; ms: number }> {
  const start = performance.now();
  const result = await call();
  return { result, ms: performance.now() - start };
}
