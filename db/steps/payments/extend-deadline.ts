/** The step that puts an order's deadline off, once, because a payment is under way. */
import type { Database } from '../../connection.ts';
import { claimKey, lockOrder, moveOrder, type StepKey } from '../fragments.ts';
import { runStep, type StepResult, type StepRow } from '../step.ts';

export interface ExtendDeadlineRequest {
  orderId: string;
  /** The new deadline, and the moment of the decision: ISO 8601, the workflow's time. */
  paymentDeadline: string;
  at: string;
}

/** The reason of the event that records it. */
export const PAYMENT_UNDER_WAY = 'payment_under_way';

interface Row extends StepRow {
  deadline: Date;
}

/**
 * Puts the deadline off when the order awaits payment, its deadline was never put off, and a payment from outside
 * that secures it is still pending.
 * The result has the deadline that is recorded, whether this step or an earlier one recorded it.
 */
export function extendDeadline(
  database: Database,
  { orderId, paymentDeadline, at }: ExtendDeadlineRequest,
): Promise<StepResult> {
  const key: StepKey = { orderId, step: 'extendDeadline' };
  return runStep(database, orderId, async (sql) => {
    const rows = await sql<Row[]>`
      with
      ${lockOrder(sql, orderId)},
      under_way as materialized (
        -- One that the snapshot lacks was opened too late to count.
        select id from payment
        where order_id = (select id from locked_order) and secures and state = 'pending' and method = 'provider'
        order by id
        for no key update
      ),
      ${claimKey(
        sql,
        key,
        sql`
          select stage, null as reason from locked_order
          where
            stage = 'awaiting_payment' and not deadline_extended and payment_deadline < ${paymentDeadline}
            and exists (select from under_way)`,
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
        locked_order.stage, null as reason, null as refusal,
        case when exists (select from claim) then ${paymentDeadline}::timestamptz else payment_deadline end as deadline
      from locked_order
    `;
    return rows.map(({ deadline, ...row }) => ({ ...row, paymentDeadline: deadline.toISOString() }));
  });
}
