/**
 * The parts of the detector of inconsistent payments: each compares one table with the payment. A part is joined to a `page` row, of a
 * payment that exists, with its order's `stage`, `wallet_id` and `order_currency`, and yields its `problem`, null when it is in order.
 */
import type { Queryable } from '../postgres.ts';
import { NIL, type Fragment } from './detector.ts';

/** It is of its order's shop and currency, and secures only an order that is open or paid; what secures a paid order was captured. */
export const ofItsOrder = (sql: Queryable): Fragment => sql`
  select
    case
      when page.stage is null then 'its order does not exist'
      when page.order_shop <> page.shop_id then format('its order is of shop %s', page.order_shop)
      when page.order_currency is distinct from page.currency
        then format('it is in %s, and its order in %s', page.currency, page.order_currency)
      when page.secures and page.state not in ('pending', 'authorised', 'capturing', 'captured') then 'it secures its order'
      when page.secures and page.stage not in ('awaiting_payment', 'paid', 'refunded')
        then format('it secures an order that is %s', page.stage)
      when page.secures and page.stage <> 'awaiting_payment' and page.state <> 'captured' then format('its order is %s', page.stage)
    end as problem
`;

/** Its events are a path of its states with gapless versions, and end where it is. */
export const pathOfPayment = (sql: Queryable): Fragment => sql`
  select
    string_agg(
      case
        when version is null then 'it has no events'
        when is_last and (version, state) is distinct from (page.version, page.state)
          then format('it is at version %s, and its last event, %s, is %s', page.version, version, state)
        else format('its event %s is %s after %s', version, state, coalesce(previous, 'nothing'))
      end,
      '; '
    ) as problem
  from (
    select
      version, state, from_state,
      lag(state) over path as previous,
      row_number() over path as expected_version,
      lead(version) over path is null as is_last
    from (values (1)) as always left join payment_event on payment_id = page.id
    window path as (order by version)
  ) as event
  where
    version is distinct from expected_version
    or from_state is distinct from previous
    or (is_last and (version, state) is distinct from (page.version, page.state))
    or not exists (select from allowed where allowed."from" is not distinct from from_state and allowed."to" = state)
`;

/** A leg in the account that the money of a payment comes from: its wallet's, or its provider's. */
const IS_SOURCE = `case page.method when 'wallet' then account = 'wallet' and wallet_id = page.wallet_id else account = 'provider' end`;

/**
 * Its money was received once when it was captured, and only then. The wallet books that a moment before it is recorded of the payment.
 * Yields what `is_received`.
 */
export const receipt = (sql: Queryable): Fragment => sql`
  select
    coalesce(is_received, false) as is_received,
    case
      when receipts > 1 then format('its money was received %s times', receipts)
      when page.state in ('captured', 'returned') and is_received is not true then 'no money was received for it'
      when is_received and page.state not in ('captured', 'returned') and not (page.method = 'wallet' and page.state = 'capturing')
        then 'money was received for it'
      when is_received and (cleared <> page.amount or cleared <> -from_source)
        then format('%s were received, %s of them from where it is paid from', cleared, -from_source)
    end as problem
  from (
    select
      count(distinct transfer.id) as receipts,
      bool_or(true) as is_received,
      coalesce(sum(amount) filter (where account = 'clearing' and currency = page.currency), 0) as cleared,
      coalesce(sum(amount) filter (where currency = page.currency and ${sql.unsafe(IS_SOURCE)}), 0) as from_source
    from transfer left join entry on entry.transfer_id = transfer.id
    where transfer.payment_id = page.id and kind = 'receipt'
  ) as ledger
`;

/**
 * What went back is what its refunds sent, or all of it when it could not be used, never more than was received, and to where it came from
 * or, from a provider, to its order's wallet. It counts what its refunds owe and sent.
 */
export const returns = (sql: Queryable): Fragment => sql`
  select
    case
      when returned > page.amount then format('%s went back of %s', returned, page.amount)
      when page.state = 'returned' and returned <> page.amount then format('%s of it went back', returned)
      when part.counted <> page.refunded then format('it counts %s as refunded, and its refunds owe and sent %s', page.refunded, part.counted)
      else coalesce(ledger.problem, part.problem)
    end as problem,
    returned
  from (
    select
      coalesce(sum(gone), 0) as returned,
      min(
        case
          when gone <> back_to_source + back_to_wallet then format('%s went back, and not to where it was paid from', gone)
          -- A wallet books it a moment before it is recorded of the refund or the payment.
          when owed.state = 'owed' and (gone <> owed.amount or (page.method = 'provider' and back_to_source <> 0))
            then format('%s went back of %s that are still owed', gone, owed.amount)
          when owed.state = 'sent' and (back_to_source, made.id) is distinct from (owed.amount, owed.transfer_id)
            then format('%s went back of %s', back_to_source, owed.amount)
          when owed.state = 'to_wallet' and (back_to_wallet, made.id) is distinct from (owed.amount, owed.transfer_id)
            then format('%s went to its wallet of %s', back_to_wallet, owed.amount)
          when owed.state is null and made.command_id <> ${NIL} then format('%s went back by no refund', gone)
          when owed.state is null and page.secures then format('%s of it went back, and its order counts on it', gone)
        end
      ) as problem
    from transfer as made
    cross join lateral (
      select
        coalesce(-sum(amount) filter (where account = 'clearing'), 0) as gone,
        coalesce(sum(amount) filter (where ${sql.unsafe(IS_SOURCE)}), 0) as back_to_source,
        coalesce(sum(amount) filter (where account = 'wallet' and wallet_id = page.wallet_id), 0) as back_to_wallet_of_order
      from entry
      where entry.transfer_id = made.id and currency = page.currency
    ) as leg
    cross join lateral (
      -- What a payment by wallet came from is its wallet.
      select case page.method when 'wallet' then 0 else back_to_wallet_of_order end as back_to_wallet
    ) as wallet_leg
    left join lateral (
      select state, amount, transfer_id from refund_payment
      where refund_payment.order_id = page.order_id and refund_payment.command_id = made.command_id and refund_payment.payment_id = page.id
    ) as owed on true
    where made.payment_id = page.id and made.kind = 'return'
  ) as ledger
  cross join lateral (
    select
      coalesce(sum(refund_payment.amount), 0) as counted,
      min(
        case
          when made.amount is null then 'a refund that it is part of does not exist'
          when refund_payment.state <> 'owed' and sent.id is null
            then format('%s of it are recorded as sent back, and did not go', refund_payment.amount)
        end
      ) as problem
    from refund_payment
    left join lateral (
      select amount from refund
      where refund.order_id = refund_payment.order_id and refund.command_id = refund_payment.command_id
    ) as made on true
    left join lateral (
      select id from transfer
      where transfer.payment_id = page.id and transfer.kind = 'return' and transfer.command_id = refund_payment.command_id
    ) as sent on true
    where refund_payment.order_id = page.order_id and refund_payment.payment_id = page.id
  ) as part
`;

/** What the wallet says of it agrees. Uses `receipt` and `returns`. Money that is still held for one that is over has a detector of its own. */
export const heldByWallet = (sql: Queryable): Fragment => sql`
  select
    case
      when page.method = 'provider' and hold.state is not null then 'a wallet holds money for it'
      when page.method = 'provider' then null
      when hold.state is null and page.state in ('authorised', 'capturing', 'captured', 'returned') then 'no wallet holds its money'
      when hold.state is null then null
      when hold.amount <> page.amount or hold.wallet_id <> page.wallet_id or hold.order_id <> page.order_id
        then format('wallet %s holds %s for order %s', hold.wallet_id, hold.amount, hold.order_id)
      when (hold.state = 'captured') <> receipt.is_received then format('its hold is %s', hold.state)
      -- What is let go of with its order is recorded of the payment a moment later.
      when hold.state in ('voided', 'declined') and page.state in ('authorised', 'capturing') and page.secures
        then format('its hold is %s', hold.state)
      when hold.returned <> returns.returned
        then format('%s went back into its wallet, and its hold counts %s', returns.returned, hold.returned)
    end as problem
  from (values (1)) as always left join payment_hold as hold on hold.payment_id = page.id
`;
