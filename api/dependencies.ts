import type { Logger } from 'pino';
import type { DatabasePool } from '../db/connection.ts';
import type { OrderClient } from '../client/orders.ts';

/** What the API stands on; a test may pass others. */
export interface Dependencies {
  database: DatabasePool;
  temporal: OrderClient;
  logger: Logger;
  /** Milliseconds that a new order has to be paid. */
  paymentWindow: number;
  /** Milliseconds that a step of an order may keep failing before a person has to look. */
  attentionAfter: number;
  /** Aborted when the process is to end; left out where nobody asks for it. */
  stopping?: AbortSignal;
}
