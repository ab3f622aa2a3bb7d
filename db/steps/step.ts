/**
 * What the five steps of an order share. Each step is one SQL statement that inserts its idempotency key
 * `(order id, step)`, for payments `(order id, command id)`, in order_step and lets every effect depend on that insert, so that the effect, the order's
 * stage, its event and the key are there together or not at all.
 *
 * Each statement locks the rows that it will change first (order, then SKUs in key order, then wallet), always in that
 * order, so that two steps cannot deadlock, and decides on the locked rows, which are the newest committed ones.
 *
 * Where a CHECK guards a row, the update sets every column of the CHECK from the locked row. PostgreSQL evaluates a CHECK
 * on the row as the statement's snapshot has it, before it notices that the row has changed since, and would refuse
 * `reserved = reserved + 1` for what was there before a restock.
 */
import type { OrderContents } from '../../domain/order.ts';
import type { RestingStage } from '../../domain/stages.ts';
import type { Database } from '../connection.ts';
import type { Sql } from '../postgres.ts';

/** Where the order rests after the step, as the first attempt that committed recorded it. */
export interface StepResult {
  stage: RestingStage;
  /** Why the order rests there: the words of whoever cancelled or refunded it, or a rejection reason. Null after a payment. */
  reason: string | null;
  /** Why a payment or a refund had no effect; null when it had one, and for every other step. */
  refusal: string | null;
  /**
   * Of a reservation that was recorded with another deadline than this attempt's, ISO 8601: by a workflow of the same order that
   * somebody terminated.
   */
  paymentDeadline?: string;
}

/** What is recorded of an order when it is first written. Times are ISO 8601 and come from the workflow. */
export interface PlacedOrder extends OrderContents {
  orderId: string;
  paymentDeadline: string;
  at: string;
}

/**
 * Runs a step's statement and returns what is recorded of the step.
 * @throws when the order is unknown, or when PostgreSQL refuses or is away. The step may then be run again.
 */
export async function runStep(
  database: Database,
  orderId: string,
  statement: (sql: Sql) => PromiseLike<readonly StepResult[]>,
): Promise<StepResult> {
  const [result] = await database.run(({ sql }) => statement(sql));
  if (result) return result;
  // No row: a twin attempt inserted the key after this statement's snapshot was taken. The next snapshot shows it.
  const [recorded] = await database.run(({ sql }) => statement(sql));
  if (recorded) return recorded;
  throw new Error(`Order ${orderId} is not in the database, so this step has nothing to act on.`);
}
