/** The parts of the refund statement that write all that follows from a refund. */
import type { Fragment, Queryable } from '../postgres.ts';

export interface RefundToRecord {
  transferId: string;
  /** The refund's key. */
  commandId: string;
  reason: string;
}

/** Puts the money of `to_apply` into the wallet, or aside for the payments that paid the order. No money has no legs. */
export const giveMoneyBack = (sql: Queryable, { transferId, commandId }: RefundToRecord): Fragment => sql`
  movement as (
    insert into transfer (id, shop_id, kind, order_id, command_id)
    select ${transferId}, shop_id, 'refund', id, ${commandId} from to_apply where amount <> 0
  ),
  changed_wallet as (
    update wallet set posted = locked_wallet.posted + to_apply.amount, held = locked_wallet.held
    from to_apply join locked_wallet on locked_wallet.id = to_apply.wallet_id
    where wallet.id = locked_wallet.id
    returning wallet.id, wallet.posted, wallet.held
  ),
  leg as (
    insert into entry (shop_id, transfer_id, account, wallet_id, amount, currency, posted_after, held_after)
    select
      to_apply.shop_id, ${transferId}::uuid, 'wallet', changed_wallet.id, amount, currency, changed_wallet.posted, changed_wallet.held
    from to_apply cross join changed_wallet
    where amount <> 0
    union all
    select shop_id, ${transferId}::uuid, 'clearing', null, amount, currency, null, null
    from to_apply
    where amount <> 0 and secured > 0
    union all
    select shop_id, ${transferId}::uuid, 'sales', null, -amount, currency, null, null from to_apply where amount <> 0
  )`;

/** Says which payments get the money back: those from outside first, each in the order in which they were opened. */
export const owePayments = (sql: Queryable, { commandId }: RefundToRecord, at: string): Fragment => sql`
  share as materialized (
    select payment_id, payer.state, payer.refunded, least(remaining, to_apply.amount - remaining_before) as amount
    from
      to_apply
      cross join (
        select
          id as payment_id, state, refunded, amount - refunded as remaining,
          coalesce(
            sum(amount - refunded) over (order by method = 'wallet', id rows between unbounded preceding and 1 preceding), 0
          ) as remaining_before
        from locked_payment
      ) as payer
    where remaining > 0 and to_apply.amount > remaining_before
  ),
  counted_payment as (
    update payment
    set refunded = share.refunded + share.amount, state = share.state, secures = true, updated_at = ${at}
    from share
    where payment.id = share.payment_id
  ),
  owed as (
    insert into refund_payment (order_id, command_id, payment_id, amount, state)
    select to_apply.id, ${commandId}, share.payment_id, share.amount, 'owed' from to_apply cross join share
  )`;

/** Counts the units of `part` as refunded, and puts those on hand that go back. */
export const takeUnitsBack = (sql: Queryable, { commandId }: RefundToRecord): Fragment => sql`
  counted_line as (
    update order_line
    set
      refunded = locked_line.refunded + part.quantity,
      refunded_amount = locked_line.refunded_amount + part.amount
    from to_apply cross join part join locked_line on locked_line.sku = part.sku
    where order_line.order_id = to_apply.id and order_line.sku = part.sku
  ),
  returned as (
    insert into stock_movement (id, shop_id, sku, kind, quantity, order_id, command_id)
    select gen_random_uuid(), to_apply.shop_id, part.sku, 'return', part.quantity, to_apply.id, ${commandId}
    from to_apply cross join part
    where part.restock
    returning shop_id, sku, quantity
  ),
  restocked as (
    update sku set on_hand = locked_sku.on_hand + returned.quantity, reserved = locked_sku.reserved
    from returned join locked_sku using (shop_id, sku)
    where sku.shop_id = returned.shop_id and sku.sku = returned.sku
  )`;

/** The refund itself, as callers read it. */
export const recordRefund = (
  sql: Queryable,
  { transferId, commandId, reason }: RefundToRecord,
  at: string,
): Fragment => sql`
  made as (
    insert into refund (order_id, command_id, version, shop_id, amount, currency, reason, at, transfer_id)
    select
      id, ${commandId}, version + 1, shop_id, amount, currency, ${reason}, ${at}, case when amount <> 0 then ${transferId}::uuid end
    from to_apply
  ),
  made_line as (
    insert into refund_line (order_id, command_id, sku, quantity, amount, restocked)
    select to_apply.id, ${commandId}, part.sku, part.quantity, part.amount, part.restock from to_apply cross join part
  )`;
