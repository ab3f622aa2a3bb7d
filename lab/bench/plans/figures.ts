/** What `npm run bench -- plans --json FILE` writes. Times are milliseconds. */
import type { Host } from '../../harness/machine.ts';
import type { Read } from './judge.ts';
import type { Asker } from './question.ts';

export interface PlanRow extends Read {
  question: string;
  as: Asker;
  /** PostgreSQL's time for its statements, the median of all times that it was asked. */
  ms: number;
  statements: number;
  /** What is wrong with the worst of the times that it was asked. */
  faults: readonly string[];
}

export interface PlansFigures {
  benchmark: 'plans';
  /** ISO 8601. */
  startedAt: string;
  machine: Host;
  orders: number;
  /** Rows of each table that has many. */
  tables: { name: string; rows: number }[];
  secondsToFill: number;
  rows: PlanRow[];
}
