/** The step that puts an order's deadline off because a person says so. */
import { v5 as uuidv5, validate } from 'uuid';
import type { Database } from '../connection.ts';
import { NIL_UUID } from '../schema/columns.ts';
import { claimKey, lockOrder, moveOrder, type StepKey } from './fragments.ts';
import { runStep, type StepResult, type StepRow } from './step.ts';

export interface PutOffDeadlineRequest {
  orderId: string;
  /** The id of the person's update, which may be any text. */
  updateId: string;
  /** The new deadline, and the moment of the decision: ISO 8601, the workflow's time. */
  paymentDeadline: string;
  /** The person's own words. */
  reason: string;
  at: string;
}

interface Row extends StepRow {
  deadline: Date;
}

/**
 * Puts the deadline of an order off that awaits payment, to a later one than it has. May happen any number of times, once for each update, and
 * leaves the order the one time that its deadline is put off for a payment under way.
 * The result has the deadline that is recorded, whatever this step did.
 */
export function putOffDeadline(
  database: Database,
  { orderId, updateId, paymentDeadline, reason, at }: PutOffDeadlineRequest,
): Promise<StepResult> {
  const commandId = toCommandId(orderId, updateId);
  const key: StepKey = { orderId, step: 'extendDeadline', commandId };
  return runStep(database, orderId, async (sql) => {
    const rows = await sql<Row[]>`
      with
      ${lockOrder(sql, orderId)},
      ${claimKey(
        sql,
        key,
        sql`
          select stage, null as reason from locked_order
          where stage = 'awaiting_payment' and payment_deadline < ${paymentDeadline}`,
      )},
      to_apply as (
        select locked_order.* from locked_order cross join claim
      ),
      ${moveOrder(
        sql,
        { to: 'awaiting_payment', reason, commandId, at },
        { reason: sql`null::text`, also: sql`, payment_deadline = ${paymentDeadline}` },
      )}
      select
        locked_order.stage, null as reason, null as refusal,
        case when exists (select from claim) then ${paymentDeadline}::timestamptz else payment_deadline end as deadline
      from locked_order
    `;
    return rows.map(({ deadline, ...row }) => ({ ...row, paymentDeadline: deadline.toISOString() }));
  });
}

/** An update that came by HTTP has its command's id. One that was sent by hand has any text, which leads to one id of this order. */
const toCommandId = (orderId: string, updateId: string): string =>
  validate(updateId) && updateId !== NIL_UUID ? updateId.toLowerCase() : uuidv5(updateId, orderId);
