import { v7 as uuidv7 } from 'uuid';
import type { Database } from '../connection.ts';
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
 * Leads to `paid`; to `awaiting_payment` with refusal `insufficient_funds`; or, when the database already has the order
 * elsewhere, to that stage with refusal `order_not_payable`.
 */
export function pay(database: Database, { orderId, commandId, at }: PayRequest): Promise<StepResult> {
  const transferId = uuidv7();
  return runStep(
    database,
    orderId,
    (sql) => sql<StepResult[]>`
      with target as materialized (
        select id, wallet_id, payment_mode, stage, total, currency, version
        from orders
        where id = ${orderId}
        for no key update
      ),
      stock as materialized (
        select sku, on_hand, reserved
        from sku
        where sku in (select sku from reservation where order_id = (select id from target) and state = 'held')
        order by sku
        for no key update
      ),
      purse as materialized (
        -- Counting the SKUs makes them be locked before the wallet.
        select posted, held, posted - held as available
        from wallet
        where id = (select wallet_id from target) and (select count(*) from stock) >= 0
        for no key update
      ),
      decided as (
        select
          case
            when target.stage <> 'awaiting_payment' then 'order_not_payable'
            when target.payment_mode = 'debit' and purse.available < target.total then 'insufficient_funds'
          end as refusal,
          target.stage
        from target left join purse on true
      ),
      claim as (
        insert into order_step (order_id, step, command_id, stage, reason)
        select
          ${orderId}, 'pay', ${commandId},
          case when refusal is null then 'paid' else stage end, refusal
        from decided
        on conflict do nothing
        returning stage, reason
      ),
      due as (
        select target.* from target cross join claim where claim.reason is null
      ),
      movement as (
        insert into transfer (id, kind, order_id)
        select ${transferId}, case payment_mode when 'hold' then 'capture' else 'debit' end, id
        from due
      ),
      taken as (
        update wallet
        set
          posted = purse.posted - due.total,
          held = purse.held - case due.payment_mode when 'hold' then due.total else 0 end
        from due cross join purse
        where wallet.id = due.wallet_id
        returning wallet.id, wallet.posted, wallet.held
      ),
      leg as (
        insert into entry (transfer_id, account, wallet_id, amount, currency, posted_after, held_after)
        select ${transferId}::uuid, 'wallet', taken.id, -due.total, due.currency, taken.posted, taken.held
        from due cross join taken
        union all
        select ${transferId}::uuid, 'sales', null, due.total, due.currency, null, null
        from due
      ),
      captured as (
        update hold set state = 'captured' from due where hold.order_id = due.id and hold.state = 'held'
      ),
      consumed as (
        update reservation set state = 'consumed'
        from due
        where reservation.order_id = due.id and reservation.state = 'held'
        returning reservation.sku, reservation.quantity
      ),
      sold as (
        update sku set on_hand = stock.on_hand - consumed.quantity, reserved = stock.reserved - consumed.quantity
        from consumed join stock using (sku)
        where sku.sku = consumed.sku
      ),
      event as (
        insert into order_event (order_id, version, from_stage, stage, command_id, at)
        select id, version + 1, stage, 'paid', ${commandId}, ${at} from due
      ),
      moved as (
        update orders set stage = 'paid', version = due.version + 1, updated_at = ${at}
        from due
        where orders.id = due.id
      )
      select stage, null as reason, reason as refusal from claim
      union all
      select stage, null, reason from order_step where order_id = ${orderId} and step = 'pay' and command_id = ${commandId}
    `,
  );
}
