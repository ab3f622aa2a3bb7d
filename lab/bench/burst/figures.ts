/** What `npm run bench -- burst --json FILE` writes. Times are milliseconds unless a name says otherwise. */
import type { CreateLoad } from './plan.ts';
import type { Target } from '../targets.ts';
import type { Machine } from '../../harness/machine.ts';
import type { Latency } from '../../harness/statistics.ts';

export interface BurstRow {
  load: CreateLoad;
  /** API processes; requests take turns among them. */
  apis: number;
  placed: number;
  /** From the first request to the last answer. */
  perSecond: number;
  /** Answers 201, each timed from the request that it answers. */
  accepted: Latency;
  refusals: number;
  /** Answers 503 `overloaded`. */
  refused: Latency;
  /** Callers by the number of requests that they needed. */
  attempts: Record<number, number>;
  payments: number;
  paid: Latency;
  /** Payments that were refused for load. */
  paymentsRefused: number;
  /** Requests that got another answer or were given up: none, when all is well. */
  others: number;
}

export interface BurstFigures {
  benchmark: 'burst';
  /** ISO 8601. */
  startedAt: string;
  machine: Machine;
  paymentsPerSecond: number;
  /** In the order of the run: each row is compared with the rounds of 20 callers around it. */
  rows: BurstRow[];
  targets: Target[];
}
