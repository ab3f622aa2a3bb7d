/** The release step: compensates a reservation. */
import type { Database } from '../connection.ts';
import { NIL_UUID } from '../schema/columns.ts';
import {
  claimedOrRecorded,
  claimKey,
  heldSkus,
  lockOrder,
  lockSkus,
  lockWallet,
  moveOrder,
  type Move,
  type StepKey,
} from './fragments.ts';
import { lockSecuring } from './payments/fragments.ts';
import { letGoOfPayments, lockPaymentHolds } from './payments/holds.ts';
import { runStep, type StepResult, type StepRow } from './step.ts';

export interface ReleaseRequest extends Move {
  orderId: string;
  to: 'cancelled' | 'expired';
  reason: string;
}

interface Row extends StepRow {
  /** The recorded deadline, of an order that stays because it is later. */
  deadline: Date | null;
}

/**
 * Releases what an unpaid order holds: its units, and in `hold` mode, or for payments by wallet, its money. It counts on none of its payments
 * any more. The end of its window does not release an order whose payments are being captured, or are, and cover it: it stays, with refusal
 * `capturing`. Nor one whose deadline a person put off to later than `at`: it stays, with refusal `put_off` and its deadline.
 * Leads to the stage asked for, or, when the database already has the order elsewhere, to that stage and no effect.
 */
export function release(
  database: Database,
  { orderId, to, reason, commandId, at }: ReleaseRequest,
): Promise<StepResult> {
  const key: StepKey = { orderId, step: 'release' };
  return runStep(database, orderId, async (sql) => {
    const rows = await sql<Row[]>`
      with
      ${lockOrder(sql, orderId)},
      ${lockSkus(sql, heldSkus(sql))},
      ${lockSecuring(sql)},
      taking as materialized (
        -- A workflow that was reset may not know of its payments.
        select sum(amount) filter (where state in ('capturing', 'captured')) as amount from locked_payment
      ),
      kept as materialized (
        select
          stage,
          case when taking.amount >= total and (select are_all from locked_payments) then 'capturing' end as capturing,
          -- A workflow that was reset may not know of that either.
          case
            when payment_deadline > ${at} and exists (
              select from order_step
              where order_id = ${orderId} and step = 'extendDeadline' and command_id <> ${NIL_UUID}
            )
              then payment_deadline
          end as put_off_to
        from locked_order cross join taking
        where ${to} = 'expired' and stage = 'awaiting_payment'
      ),
      ${lockPaymentHolds(sql)},
      -- Only a hold changes the wallet.
      ${lockWallet(
        sql,
        sql`
          select wallet_id from hold where order_id = (select id from locked_order) and state = 'held'
          union
          select wallet_id from locked_payment_hold`,
      )},
      ${claimKey(
        sql,
        key,
        sql`
          select
            case stage when 'awaiting_payment' then ${to} else stage end as stage,
            case stage when 'awaiting_payment' then ${reason} else reason end as reason
          from locked_order
          where
            (select count(*) from locked_wallet) >= 0
            and (stage <> 'awaiting_payment' or (select are_all from locked_payments))
            and not exists (select from kept where capturing is not null or put_off_to is not null)`,
      )},
      to_apply as (
        select locked_order.* from locked_order cross join claim where locked_order.stage = 'awaiting_payment'
      ),
      released as (
        update reservation set state = 'released'
        from to_apply
        where order_id = to_apply.id and state = 'held'
        returning reservation.shop_id, sku, quantity
      ),
      returned_units as (
        update sku set on_hand = locked_sku.on_hand, reserved = locked_sku.reserved - released.quantity
        from released join locked_sku using (shop_id, sku)
        where sku.shop_id = released.shop_id and sku.sku = released.sku
      ),
      voided as (
        update hold set state = 'voided'
        from to_apply
        where order_id = to_apply.id and state = 'held'
        returning hold.amount
      ),
      ${letGoOfPayments(sql)},
      returned_money as (
        update wallet set posted = locked_wallet.posted, held = locked_wallet.held - promised.amount
        from
          locked_wallet
          cross join (
            select sum(amount) as amount from (select amount from voided union all select amount from let_go_of) as promise
          ) as promised
        where wallet.id = locked_wallet.id and promised.amount > 0
      ),
      given_up as (
        update payment
        set secures = false, state = locked_payment.state, refunded = locked_payment.refunded, updated_at = ${at}
        from to_apply cross join locked_payment
        where payment.id = locked_payment.id
      ),
      ${moveOrder(sql, { to, reason, commandId, at }, { secured: sql`0` })}
      select
        stage, reason, null as refusal,
        -- The payments that an earlier attempt gave up may be left to void or to return still.
        exists (select from locked_payment)
        or exists (
          select from payment where order_id = ${orderId} and state not in ('declined', 'voided', 'returned')
        ) as wakes,
        null::timestamptz as deadline
      from (${claimedOrRecorded(sql, key)}) as outcome
      union all
      select stage, null, coalesce(capturing, 'put_off'), false, put_off_to
      from kept
      where capturing is not null or put_off_to is not null
    `;
    return rows.map(({ deadline, ...row }) => ({
      ...row,
      ...(deadline !== null && { paymentDeadline: deadline.toISOString() }),
    }));
  });
}
