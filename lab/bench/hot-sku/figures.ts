/** What `npm run bench -- hot-sku --json FILE` writes. Times are milliseconds unless a name says otherwise. */
import type { Target } from '../targets.ts';
import type { Host } from '../../harness/machine.ts';
import type { Latency } from '../../harness/statistics.ts';

/** Each serves one order at a time, except the grouped ones: they serve all orders that wait for a SKU together. */
export type TechniqueName =
  | 'read then write'
  | 'one statement'
  | 'lock, decide, record'
  | 'group commit'
  | 'group commit of lock, decide, record';

export interface HotSkuRow {
  technique: TechniqueName;
  callers: number;
  /** How many SKUs the callers order, in turn. */
  skus: number;
  /** Reservations, over all rounds. */
  completed: number;
  /** Calls that PostgreSQL gave up on, mostly waiting for a lock. The caller retried at once. */
  retries: number;
  /** The median of its rounds. */
  perSecond: number;
  /** Over all rounds. */
  latency: Latency;
}

/** Callers that order until nothing is left. */
export interface SoldOutRow {
  technique: TechniqueName;
  units: number;
  /** Units of the orders that were granted. */
  granted: number;
  refused: number;
  /** Units granted beyond those on hand. */
  oversold: number;
}

export interface HotSkuFigures {
  benchmark: 'hot-sku';
  /** ISO 8601. */
  startedAt: string;
  machine: Host;
  /** Of the pool that all techniques share. */
  connections: number;
  rounds: number;
  secondsPerRound: number;
  rows: HotSkuRow[];
  soldOut: SoldOutRow[];
  targets: Target[];
}

export interface HotSkuRound {
  completed: number;
  perSecond: number;
  waited: number[];
  retries: number;
}

export interface HotSkuSeries {
  technique: TechniqueName;
  callers: number;
  skus: number;
  rounds: HotSkuRound[];
}
