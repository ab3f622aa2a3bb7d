/** What `npm run bench -- payments --json FILE` writes. Times are milliseconds unless a name says otherwise. */
import type { Machine } from '../../harness/machine.ts';
import type { Latency } from '../../harness/statistics.ts';

/**
 * How an order is paid: by its wallet in one statement (`pay`), by one payment, or by two halves. The first is what the others are compared
 * with.
 */
export const WAYS = ['pay', 'wallet', 'provider', 'wallet and provider'] as const;
export type Way = (typeof WAYS)[number];

export const PROCESSES = ['temporal', 'postgres', 'worker', 'api', 'provider'] as const;
export type ProcessName = (typeof PROCESSES)[number];

/** Orders, each created and paid in one way. */
export interface WayRow {
  way: Way;
  orders: number;
  /** The median of its rounds. */
  perSecond: number;
  /** From the create until the order was seen to be paid. */
  untilPaid: Latency;
  /** In the histories of an order and of its payments, on average. */
  events: { order: number; payments: number };
  /** Milliseconds of processor time for each order. */
  cpu: Record<ProcessName, number>;
}

export interface PaymentFigures {
  benchmark: 'payments';
  /** ISO 8601. */
  startedAt: string;
  machine: Machine;
  rounds: number;
  secondsPerRound: number;
  callers: number;
  rows: WayRow[];
}
