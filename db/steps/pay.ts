/** The pay step: money for units. */
import { v7 as uuidv7 } from 'uuid';
import type { Database } from '../connection.ts';
import {
  bookLegs,
  claimedOrRecorded,
  claimKey,
  heldSkus,
  lockOrder,
  lockSkus,
  lockWallet,
  moveOrder,
  sellUnits,
  type StepKey,
} from './fragments.ts';
import { runStep, type StepResult } from './step.ts';

export interface PayRequest {
  orderId: string;
  /** The payment's key: an order may be paid by another command after this one was refused. */
  commandId: string;
  /** When the payment was accepted: ISO 8601, the workflow's time. */
  at: string;
}

/**
 * Takes the money (a debit, or the capture of the hold) and consumes the reserved units.
 * Leads to `paid`; to `awaiting_payment` with refusal `insufficient_funds`, or `order_has_payments` when a part of the order is secured by
 * a payment of its own; or, when the database already has the order elsewhere, to that stage with refusal `order_not_payable`.
 */
export function pay(database: Database, { orderId, commandId, at }: PayRequest): Promise<StepResult> {
  const transferId = uuidv7();
  const key: StepKey = { orderId, step: 'pay', commandId };
  return runStep(
    database,
    orderId,
    (sql) => sql<StepResult[]>`
      with
      ${lockOrder(sql, orderId)},
      ${lockSkus(sql, heldSkus(sql))},
      ${lockWallet(sql, sql`select wallet_id from locked_order`)},
      decided as (
        select
          case
            when stage <> 'awaiting_payment' then 'order_not_payable'
            when secured > 0 then 'order_has_payments'
            when payment_mode = 'debit' and posted - held < total then 'insufficient_funds'
          end as refusal,
          stage
        from locked_order left join locked_wallet on true
      ),
      ${claimKey(
        sql,
        key,
        sql`select case when refusal is null then 'paid' else stage end as stage, refusal as reason from decided`,
      )},
      to_apply as (
        select locked_order.*, -total as amount from locked_order cross join claim where claim.reason is null
      ),
      movement as (
        insert into transfer (id, shop_id, kind, order_id)
        select ${transferId}, shop_id, case payment_mode when 'hold' then 'capture' else 'debit' end, id
        from to_apply
      ),
      changed_wallet as (
        update wallet
        set
          posted = locked_wallet.posted - total,
          held = locked_wallet.held - case payment_mode when 'hold' then total else 0 end
        from to_apply cross join locked_wallet
        where wallet.id = to_apply.wallet_id
        returning wallet.id, wallet.posted, wallet.held
      ),
      ${bookLegs(sql, transferId, 'sales')},
      captured as (
        update hold set state = 'captured' from to_apply where order_id = to_apply.id and state = 'held'
      ),
      ${sellUnits(sql)},
      ${moveOrder(sql, { to: 'paid', reason: null, commandId, at })}
      select stage, null as reason, reason as refusal from (${claimedOrRecorded(sql, key)}) as outcome
    `,
  );
}
