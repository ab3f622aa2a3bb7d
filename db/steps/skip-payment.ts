import { PAYMENT_SKIPPED, type RefusalReason } from '../../domain/order.ts';
import type { Database } from '../connection.ts';
import type { PayRequest } from './pay.ts';
import { runStep, type StepResult } from './step.ts';

/**
 * Takes a payment's key for a person who skips it: a pay attempt that is still on its way then finds the key and does
 * nothing. When that attempt came first, what it recorded is returned instead.
 * Leads to the stage that the order has, with refusal `payment_skipped`.
 */
export function decline(
  database: Database,
  { orderId, commandId }: Pick<PayRequest, 'orderId' | 'commandId'>,
): Promise<StepResult> {
  return runStep(
    database,
    orderId,
    (sql) => sql<StepResult[]>`
      with target as materialized (
        -- A payment that has begun holds this row: its outcome is waited for.
        select stage from orders where id = ${orderId} for no key update
      ),
      claim as (
        insert into order_step (order_id, step, command_id, stage, reason)
        select
          ${orderId}, 'pay', ${commandId},
          stage, ${PAYMENT_SKIPPED}
        from target
        on conflict do nothing
        returning stage, reason
      )
      select stage, null as reason, reason as refusal from claim
      union all
      select stage, null, reason from order_step where order_id = ${orderId} and step = 'pay' and command_id = ${commandId}
    `,
  );
}

/**
 * Takes the key of a payment that its order's workflow refused before trying it, as long as the order is open: an attempt that a
 * dead worker left on its way then does nothing, and the refusal is final. Waits for such an attempt, and for no other payment.
 * Returns what is recorded of the payment: null when it was made, undefined when nothing is.
 */
export async function refusePayment(
  database: Database,
  { orderId, commandId }: Pick<PayRequest, 'orderId' | 'commandId'>,
  reason: RefusalReason,
): Promise<string | null | undefined> {
  await database.run(
    ({ sql }) => sql`
      insert into order_step (order_id, step, command_id, stage, reason)
      -- Without a lock: only the key decides, and another payment that keeps the order's row must not hold this answer up.
      select id, 'pay', ${commandId}, stage, ${reason} from orders where id = ${orderId} and stage = 'awaiting_payment'
      on conflict do nothing
    `,
  );
  // A snapshot of after the insert: it has whatever kept the key.
  const [recorded] = await database.run(
    ({ sql }) => sql<{ reason: string | null }[]>`
      select reason from order_step where order_id = ${orderId} and step = 'pay' and command_id = ${commandId}
    `,
  );
  return recorded?.reason;
}
