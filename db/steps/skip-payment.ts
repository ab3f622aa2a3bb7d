/** Takes the keys of payments that must not happen later: a person skipped them (on the wire: `decline`), or they were refused untried. */
import { PAYMENT_SKIPPED, type RefusalReason } from '../../domain/order.ts';
import type { Database } from '../connection.ts';
import { claimedOrRecorded, claimKey, lockOrder, type StepKey } from './fragments.ts';
import type { PayRequest } from './pay.ts';
import { runStep, type StepResult } from './step.ts';

type Payment = Pick<PayRequest, 'orderId' | 'commandId'>;

/**
 * Takes a payment's key for a person who skips it: a pay attempt that is still under way then finds the key and does nothing. When
 * that attempt came first, what it recorded is returned instead.
 * Leads to the stage that the order has, with refusal `payment_skipped`.
 */
export function skipPayment(database: Database, { orderId, commandId }: Payment): Promise<StepResult> {
  const key: StepKey = { orderId, step: 'pay', commandId };
  return runStep(
    database,
    orderId,
    (sql) => sql<StepResult[]>`
      with
      -- A payment that has begun holds this row: this waits for its outcome.
      ${lockOrder(sql, orderId)},
      ${claimKey(sql, key, sql`select stage, ${PAYMENT_SKIPPED} as reason from locked_order`)}
      select stage, null as reason, reason as refusal from (${claimedOrRecorded(sql, key)}) as outcome
    `,
  );
}

/**
 * Takes the key of a payment that its order's workflow refused before trying it, as long as the order is open: an attempt that a
 * dead worker left behind then does nothing, and the refusal is final. Waits for such an attempt, and for no other payment.
 * Returns what is recorded of the payment: null when it was made, undefined when nothing is.
 */
export async function refusePayment(
  database: Database,
  { orderId, commandId }: Payment,
  refusal: RefusalReason,
): Promise<string | null | undefined> {
  const key: StepKey = { orderId, step: 'pay', commandId };
  await database.run(
    ({ sql }) => sql`
      with
      -- Without a lock: only the key decides, and another payment that has the order's row locked must not delay this answer.
      ${claimKey(
        sql,
        key,
        sql`select stage, ${refusal} as reason from orders where id = ${orderId} and stage = 'awaiting_payment'`,
      )}
      select from claim
    `,
  );
  // A snapshot from after the insert: it shows the row that has the key.
  const [recorded] = await database.run(
    ({ sql }) => sql<{ reason: string | null }[]>`
      select reason from order_step where order_id = ${orderId} and step = 'pay' and command_id = ${commandId}
    `,
  );
  return recorded?.reason;
}
