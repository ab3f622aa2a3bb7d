/** What `npm run bench -- stats --json FILE` writes. Times are milliseconds unless a name says otherwise. */
import type { TableKind } from '../../../db/rules/detectors.ts';
import type { Host } from '../../harness/machine.ts';
import type { Latency } from '../../harness/statistics.ts';

export interface StatsRow {
  days: number;
  of: 'shop' | 'SKU';
  /** Times that it was asked. */
  asked: number;
  latency: Latency;
}

/** A look of reconciliation into all rows of its tables, page by page. */
export interface LookRow {
  kind: TableKind;
  rows: number;
  seconds: number;
  /** Of the longest page, which is one statement. */
  longestMs: number;
}

export interface StatsFigures {
  benchmark: 'stats';
  /** ISO 8601. */
  startedAt: string;
  machine: Host;
  orders: number;
  skus: number;
  events: number;
  /** Rows of the table that answers. */
  statRows: number;
  secondsPerRow: number;
  /** Seconds that all events took to be counted, and that reconciliation took to count all days again. */
  seconds: { count: number; reconcile: number };
  looks: LookRow[];
  rows: StatsRow[];
  /** Of the query for the most days, of the shop and of a SKU. */
  plans: { of: StatsRow['of']; lines: string[] }[];
}
