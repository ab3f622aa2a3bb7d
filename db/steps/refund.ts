/** The refund step: gives back what was paid for an order, or a part of it. */
import { v7 as uuidv7 } from 'uuid';
import type { RefundPart } from '../../domain/order.ts';
import type { Database } from '../connection.ts';
import { NIL_UUID } from '../schema/columns.ts';
import { claimedOrRecorded, claimKey, lockOrder, moveOrder, type StepKey } from './fragments.ts';
import { decideRefund, outcomeToKeep, refusalForNow } from './refund-decide.ts';
import { giveMoneyBack, owePayments, recordRefund, takeUnitsBack } from './refund-record.ts';
import { runStep, type StepResult, type StepRow } from './step.ts';

export interface RefundRequest extends RefundPart {
  orderId: string;
  reason: string;
  /** The refund's key. Null for the Web UI's Cancel. */
  commandId: string | null;
  at: string;
  /** Whether a wallet without room is an answer. Left out, it is a failure, which is retried. */
  mayWait?: boolean;
}

/**
 * Puts an amount, or what units cost, or all that is left of a payment back into the order's wallet, and the units on hand if asked. What
 * an order's own payments paid is owed to them instead, which is for their workflows to send.
 * Leads to `refunded` when nothing is left of the payment, and otherwise to `paid`, where the next refund begins.
 *
 * More than is left, of the payment or of a line's units, is refused for good under the refund's key, and so is a SKU that the order does
 * not have (`refund_exceeds_payment`, `refund_exceeds_units`, `sku_not_in_order`). An order that is not paid, or refunded already, stays
 * where it is, with refusal `order_not_refundable`. When the money does not fit into the wallet, or the order's events are no longer
 * kept, the order stays `paid`, with refusal `wallet_full` or `order_too_old`. These leave no key: they may not last.
 */
export function refund(
  database: Database,
  { orderId, reason, commandId, at, ...asked }: RefundRequest,
): Promise<StepResult> {
  const made = { transferId: uuidv7(), commandId: commandId ?? NIL_UUID, reason };
  const key: StepKey = { orderId, step: 'refund', commandId: made.commandId };
  return runStep(
    database,
    orderId,
    (sql) => sql<StepRow[]>`
      with
      ${lockOrder(sql, orderId)},
      ${decideRefund(sql, asked)},
      ${claimKey(sql, key, outcomeToKeep(sql, reason))},
      to_apply as (
        select decided.* from decided cross join claim where refusal is null
      ),
      ${giveMoneyBack(sql, made)},
      ${owePayments(sql, made, at)},
      ${takeUnitsBack(sql, made)},
      ${moveOrder(
        sql,
        { to: sql`next_stage`, reason, commandId, at },
        {
          // An order that stays paid rests there because it was paid.
          reason: sql`case next_stage when 'refunded' then ${reason}::text end`,
          also: sql`, refunded = to_apply.refunded + to_apply.amount`,
        },
      )},
      ${recordRefund(sql, made, at)},
      recorded as (
        ${claimedOrRecorded(sql, key)}
        union all
        -- A refund from before 0.8 has the key of a step that an order takes once.
        select 'refunded', reason from refund
        where
          order_id = ${orderId} and command_id = ${made.commandId}
          and not exists (
            select from order_step
            where order_step.order_id = ${orderId} and step = 'refund' and order_step.command_id = ${made.commandId}
          )
      )
      select
        stage, case stage when 'refunded' then reason end as reason, case stage when 'paid' then reason end as refusal,
        exists (select from share)
        or exists (
          select from refund_payment where order_id = ${orderId} and command_id = ${made.commandId} and state = 'owed'
        ) as wakes
      from recorded
      union all
      select *, false from (${refusalForNow(sql, sql`select from recorded`)}) as refused
    `,
  );
}
