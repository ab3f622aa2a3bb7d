/**
 * What the steps of an order share. Each step is one SQL statement that inserts its idempotency key into order_step: `(order id, step)`,
 * and for a payment or a refund the command's id. Every effect depends on that insert, so that the effects, the order's stage, its event and the
 * key are recorded together or not at all.
 *
 * Each statement first locks the rows that it will change, always in the same order (the order, the lines of it that are refunded, its SKUs
 * in key order, the wallet), so that two steps cannot deadlock. It decides on the locked rows, which are the newest committed ones.
 *
 * An update of a row that a CHECK guards sets every column of the CHECK from the locked row, hence `on_hand = locked_sku.on_hand`.
 * PostgreSQL evaluates the CHECK on the row as the statement's snapshot has it, before it notices that the row has changed since then:
 * after a restock that the snapshot lacks, `reserved = reserved + 1` alone would be refused.
 */
import type { Money, OrderContents } from '../../domain/order.ts';
import type { RestingStage } from '../../domain/stages.ts';
import type { Database } from '../connection.ts';
import type { Queryable } from '../postgres.ts';

/** Where the order rests after the step, as the first attempt that committed recorded it. */
export interface StepResult {
  stage: RestingStage;
  /** Why the order rests there: the reason given for its cancel or refund, or a rejection reason. Null while it is paid. */
  reason: string | null;
  /** Why a payment, a refund or the end of its window had no effect; null when it had one, and for every other step. */
  refusal: string | null;
  /**
   * The recorded deadline of a reservation, ISO 8601, when this attempt has another: a workflow of the same order, which somebody
   * terminated, had reserved before.
   */
  paymentDeadline?: string;
  /** What a reservation came to, as operators are shown it. */
  total?: Money;
  /** Whether payments of the order have something to do now: their workflows are to be woken. */
  wakes?: true;
}

/** What is recorded of an order when it is first written. Times are ISO 8601 and come from the workflow. */
export interface PlacedOrder extends OrderContents {
  orderId: string;
  paymentDeadline: string;
  at: string;
}

/** What a step's statement selects. */
export interface StepRow extends Omit<StepResult, 'wakes'> {
  /** Left out by the steps that leave payments alone. */
  wakes?: boolean;
}

/**
 * Runs a step's statement and returns what is recorded of the step.
 * @throws when the order is unknown, or when PostgreSQL refuses or is unavailable. The step may then be run again.
 */
export async function runStep(
  database: Database,
  orderId: string,
  statement: (sql: Queryable) => PromiseLike<readonly StepRow[]>,
): Promise<StepResult> {
  const [row] = await database.run(({ sql }) => statement(sql));
  if (row) return resultOf(row);
  // No row: what decides was recorded after this statement's snapshot, a twin attempt's key or a payment. Now nothing is: the order is
  // locked before the snapshot is taken.
  const [recorded] = await database.transaction(async (sql) => {
    await sql`select from orders where id = ${orderId} for no key update`;
    return statement(sql);
  });
  if (recorded) return resultOf(recorded);
  throw new Error(`Order ${orderId} is not in the database, so this step has nothing to act on.`);
}

const resultOf = ({ wakes, ...result }: StepRow): StepResult => (wakes ? { ...result, wakes } : result);
