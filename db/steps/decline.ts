import { PAYMENT_SKIPPED } from '../../workflows/contract.ts';
import type { Database } from '../connection.ts';
import type { PayRequest } from './pay.ts';
import { runStep, type StepResult } from './step.ts';

/**
 * Takes a payment's key for a person who skips it: a pay attempt that is still on its way then finds the key and does
 * nothing. When that attempt came first, what it recorded is returned instead.
 * Leads to the stage that the order has, with reason `payment_skipped`.
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
      select stage, reason from claim
      union all
      select stage, reason from order_step where order_id = ${orderId} and step = 'pay' and command_id = ${commandId}
    `,
  );
}
