/** The step that puts an order's deadline off, once, because a payment is under way. */
import type { Database } from '../../connection.ts';
import { claimKey, lockOrder, moveOrder, type StepKey } from '../fragments.ts';
import { runStep, type StepResult } from '../step.ts';

export interface ExtendDeadlineRequest {
  orderId: string;
  /** The new deadline, and the moment of the decision: ISO 8601, the workflow's time. */
  paymentDeadline: string;
  at: string;
}

/** The reason of the event that records it. */
export const PAYMENT_UNDER_WAY = 'payment_under_way';

/**
 * Puts the deadline off when the order awaits payment, its deadline was never put off, and a payment that secures it is still pending.
 * The result has the deadline that is recorded, whether this step or an earlier one recorded it.
 */
export function extendDeadline(
  database: Database,
  { orderId, paymentDeadline, at }: ExtendDeadlineRequest,
): Promise<StepResult> {
  const key: StepKey = { orderId, step: 'extendDeadline' };
  return runStep(
    database,
    orderId,
    (sql) => sql<StepResult[]>`
      with
      ${lockOrder(sql, orderId)},
      ${claimKey(
        sql,
        key,
        sql`
          select stage, null as reason from locked_order
          where
            stage = 'awaiting_payment' and not deadline_extended
            and exists (select from payment where order_id = locked_order.id and secures and state = 'pending')`,
      )},
      to_apply as (
        select locked_order.* from locked_order cross join claim
      ),
      ${moveOrder(
        sql,
        { to: 'awaiting_payment', reason: PAYMENT_UNDER_WAY, commandId: null, at },
        {
          reason: sql`null::text`,
          also: sql`, payment_deadline = ${paymentDeadline}, deadline_extended = true`,
        },
      )}
      select
        stage, null as reason, null as refusal,
        to_json(case when exists (select from claim) then ${paymentDeadline}::timestamptz else payment_deadline end) #>> '{}' as "paymentDeadline"
      from locked_order
    `,
  );
}
