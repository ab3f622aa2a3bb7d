/** What `npm run bench -- stats --json FILE` writes. Times are milliseconds unless a name says otherwise. */
import type { TableKind } from '../../../db/rules/detectors.ts';
import type { Host } from '../../harness/machine.ts';
import type { Latency } from '../../harness/statistics.ts';

export interface StatsRow {
  days: number;
  of: 'shop' | 'SKU';
  /** How many queries were answered. */
  asked: number;
  latency: Latency;
}

/** A detector of reconciliation on all rows of its tables, page by page. */
export interface DetectorRow {
  kind: TableKind;
  rows: number;
  seconds: number;
  /** The longest page, which is one statement. */
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
  /** Rows of the table that the query reads. */
  statRows: number;
  secondsPerRow: number;
  /** How long it took to count all events, and reconciliation to count all days again. */
  seconds: { count: number; reconcile: number };
  detectors: DetectorRow[];
  rows: StatsRow[];
  /** The plan of the query for the most days, for the shop and for a SKU. */
  plans: { of: StatsRow['of']; lines: string[] }[];
}
