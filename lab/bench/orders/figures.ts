/** What `npm run bench -- orders --json FILE` writes. Times are milliseconds unless a name says otherwise. */
import type { Machine } from '../../harness/machine.ts';
import type { Latency } from '../../harness/statistics.ts';
import type { Target } from '../targets.ts';

export type WorkloadName = 'nothing' | 'order';

/**
 * `result`: from starting the workflow that does nothing to its result. `create` and `pay`: a call of the HTTP API, from
 * request to answer.
 */
export type Call = 'result' | 'create' | 'pay';

/** `callers` is the benchmark itself: its HTTP client, or its Temporal client for `nothing`. */
export type ProcessName = 'temporal' | 'postgres' | 'worker' | 'api' | 'callers';

export interface Row {
  workload: WorkloadName;
  callers: number;
  /** Workflows or orders, over all rounds. */
  completed: number;
  /** Answers 503. The caller sent the same request again after the seconds in that answer. */
  retries: number;
  /** The median of its rounds. */
  perSecond: number;
  /** Over all rounds. */
  latency: Partial<Record<Call, Latency>>;
  /** In the history of one workflow, from its start to its end. */
  events: { mean: number; most: number; sampled: number };
  /** Milliseconds of CPU time for each workflow or order, user and system. */
  cpu: Record<ProcessName, number>;
}

export interface OrderFigures {
  benchmark: 'orders';
  /** ISO 8601. */
  startedAt: string;
  machine: Machine;
  rounds: number;
  secondsPerRound: number;
  rows: Row[];
  targets: Target[];
}
