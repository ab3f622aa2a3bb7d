/** What `npm run bench -- stats --json FILE` writes. Times are milliseconds unless a name says otherwise. */
import type { Host } from './machine.ts';
import type { Latency } from './statistics.ts';

export interface StatsRow {
  days: number;
  of: 'shop' | 'SKU';
  /** Times that it was asked. */
  asked: number;
  latency: Latency;
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
  rows: StatsRow[];
  /** Of the query for the most days, of the shop and of a SKU. */
  plans: { of: StatsRow['of']; lines: string[] }[];
}
