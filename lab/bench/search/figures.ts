/** What `npm run bench -- search --json FILE` writes. Times are milliseconds unless a name says otherwise. */
import type { Machine } from '../../harness/machine.ts';
import type { Latency } from '../../harness/statistics.ts';

/** What a workflow that does nothing else is found by: nothing, what it starts with, and what it writes once or three times besides. */
export const WAYS = ['nothing', 'at start', 'at start and once', 'at start and three times'] as const;
export type Way = (typeof WAYS)[number];

export const PROCESSES = ['temporal', 'worker'] as const;
export type ProcessName = (typeof PROCESSES)[number];

export interface WayRow {
  way: Way;
  workflows: number;
  /** The median of its rounds. */
  perSecond: number;
  /** From the start of a workflow to its result. */
  result: Latency;
  /** In the shortest of some histories. */
  events: number;
  /** Milliseconds of processor time for each workflow. */
  cpu: Record<ProcessName, number>;
}

export interface SearchFigures {
  benchmark: 'search';
  /** ISO 8601. */
  startedAt: string;
  machine: Machine;
  rounds: number;
  secondsPerRound: number;
  callers: number;
  rows: WayRow[];
}
