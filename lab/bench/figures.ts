/** What `npm run bench -- orders --json FILE` writes. Times are milliseconds unless a name says otherwise. */
import type { Machine } from '../harness/machine.ts';
import type { Latency } from '../harness/statistics.ts';

export type WorkloadName = 'nothing' | 'order';

/**
 * What a caller waits for. `result`: from starting the workflow that does nothing to its result. `create` and `pay`: a
 * call of the HTTP API from request to answer.
 */
export type Call = 'result' | 'create' | 'pay';

/** `callers` is the benchmark itself: its HTTP client, or for `nothing` its Temporal client. */
export type ProcessName = 'temporal' | 'postgres' | 'worker' | 'api' | 'callers';

export interface Row {
  workload: WorkloadName;
  callers: number;
  /** Workflows or orders, over all rounds. */
  completed: number;
  /** Answers 503: the caller sent the same request again after the seconds in that answer. */
  retries: number;
  /** The median of its rounds. */
  perSecond: number;
  /** Over all rounds. */
  latency: Partial<Record<Call, Latency>>;
  /** In the history of one workflow that ended. */
  events: { mean: number; most: number; sampled: number };
  /** Processor time for each workflow or order, user and system. */
  cpu: Record<ProcessName, number>;
}

/** A figure that the project has promised to reach. */
export interface Target {
  name: string;
  value: number;
  /** The value in each round; empty when it does not come from rounds. */
  rounds: number[];
  atLeast?: number;
  atMost?: number;
  reached: boolean;
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
