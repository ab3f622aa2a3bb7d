/** What `npm run bench -- webhooks --json FILE` writes. Times are milliseconds unless a name says otherwise. */
import type { Machine } from '../../harness/machine.ts';
import type { Latency } from '../../harness/statistics.ts';

export const PROCESSES = ['temporal', 'postgres', 'worker', 'api', 'receiver'] as const;
export type ProcessName = (typeof PROCESSES)[number];
/** Milliseconds of processor time, user and system. */
export type Cpu = Record<ProcessName, number>;

/** Orders, each created and paid, with so many webhooks. */
export interface OrdersRow {
  webhooks: number;
  orders: number;
  events: number;
  /** The median of its rounds. */
  perSecond: number;
  /** For each order, over all rounds, until the last event was sent. */
  cpu: Cpu;
  /** From the moment an event was published until it was delivered; null without webhooks. */
  delay: Latency | null;
}

/** Events that wait are sent, and nothing else happens. */
export interface BacklogRow {
  events: number;
  perSecond: number;
  /** For each event. */
  cpu: Cpu;
}

export interface WebhookFigures {
  benchmark: 'webhooks';
  /** ISO 8601. */
  startedAt: string;
  machine: Machine;
  rounds: number;
  secondsPerRound: number;
  callers: number;
  rows: OrdersRow[];
  /** What one event to one webhook adds, of the servers and not of the receiver. */
  event: { cpu: number; ofAnOrder: number };
  backlog: BacklogRow;
}
