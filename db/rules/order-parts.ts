/**
 * The parts of the detector of inconsistent orders: each compares one table with the order. A part is joined to a `page` row, of an
 * order that exists unless it says otherwise, and yields its `problem`, null when it is in order.
 */
import type { Queryable } from '../postgres.ts';
import type { Fragment } from './detector.ts';

/** What has been released or voided for an order that is missing is in order: reconciliation gave it back. */
export const rowsOfMissingOrder = (sql: Queryable): Fragment => sql`
  select
    has_lines or has_adjustments or has_steps or has_sold as breaks_3,
    has_refund as breaks_6,
    has_sold or has_captured as breaks_7,
    has_events as breaks_9,
    concat_ws(
      ', ',
      case when has_lines then 'lines' end,
      case when has_adjustments then 'adjustments' end,
      case when has_events then 'events' end,
      case when has_steps then 'steps' end,
      case when has_sold then 'sold units' end,
      case when has_captured then 'a captured hold' end,
      case when has_refund then 'a refund' end
    ) as problem
  from (
    select
      exists (select from order_line where order_id = page.id) as has_lines,
      exists (select from order_adjustment where order_id = page.id) as has_adjustments,
      exists (select from order_event where order_id = page.id) as has_events,
      exists (select from order_step where order_id = page.id) as has_steps,
      exists (select from reservation where order_id = page.id and state = 'consumed') as has_sold,
      exists (select from hold where order_id = page.id and state = 'captured') as has_captured,
      (
        exists (select from transfer where order_id = page.id and kind = 'refund')
        or exists (select from refund where order_id = page.id)
        or exists (select from refund_line where order_id = page.id)
      ) as has_refund
    where not is_there
  ) as rows
`;

/** An order has lines, the step that decided it, and the steps that paid and refunded it. */
export const stepsAndLines = (sql: Queryable): Fragment => sql`
  select
    nullif(
      concat_ws(
        '; ',
        case when bool_or(step = 'reserve') is not true then 'no step has reserved or rejected it' end,
        case
          -- A payment that was refused is a step, too.
          when page.stage in ('paid', 'refunded') and bool_or(step in ('pay', 'settle') and stage = 'paid') is not true
            then 'no step has paid it'
        end,
        case
          when page.stage = 'refunded' and bool_or(step = 'refund' and stage = 'refunded') is not true then 'no step has refunded it'
        end,
        case when not exists (select from order_line where order_line.order_id = page.id) then 'it has no lines' end
      ),
      ''
    ) as problem,
    bool_or(step = 'reserve' and stage = 'awaiting_payment') as was_reserved
  from order_step
  where order_step.order_id = page.id
`;

/**
 * Its events are a path of the stage table with gapless versions, and end where the order is. They are dropped with their month, all at
 * once: an order from before `events_kept_from` may have none.
 */
export const pathOfEvents = (sql: Queryable): Fragment => sql`
  select
    string_agg(
      case
        when version is null then 'it has no events'
        when is_last and (version, stage) is distinct from (page.version, page.stage)
          then format('it is at version %s, and its last event, %s, is %s', page.version, version, stage)
        else format('its event %s is %s after %s', version, stage, coalesce(previous, 'nothing'))
      end,
      '; '
    ) as problem
  from (
    select
      version, stage, from_stage,
      lag(stage) over path as previous,
      row_number() over path as expected_version,
      lead(version) over path is null as is_last
    from (values (1)) as always
    left join order_event on order_id = page.id
    -- Asked once for the statement.
    where version is not null or page.id >= (select events_kept_from())
    window path as (order by version)
  ) as event
  where
    version is distinct from expected_version
    or from_stage is distinct from previous
    or (is_last and (version, stage) is distinct from (page.version, page.stage))
    or not exists (select from allowed where allowed."from" is not distinct from from_stage and allowed."to" = stage)
`;

/** While it holds or has sold its units, it has one reservation for each line, and in the state of its stage. */
export const reservedUnits = (sql: Queryable): Fragment => sql`
  select
    string_agg(
      format(
        '%s units of %s are ordered and %s %s', coalesce(ordered, 0), sku, coalesce(reserved, 0), coalesce(state, 'reserved')
      ),
      '; ' order by sku
    ) as problem,
    bool_or(is_unlike_line) as is_unlike_lines,
    bool_or(is_unlike_stage) as is_unlike_stage
  from (
    select
      sku, ordered, reserved, state,
      ordered is distinct from reserved
      and (
        reserved is not null
        -- An order that was rejected, or cancelled before it was reserved, has lines alone.
        or page.stage in ('awaiting_payment', 'paid', 'refunded', 'expired')
        or step.was_reserved
      ) as is_unlike_line,
      case
        when page.stage = 'awaiting_payment' then state <> 'held'
        when page.stage in ('paid', 'refunded') then state = 'released'
        else state = 'consumed'
      end as is_unlike_stage
    from (select sku, quantity as ordered from order_line where order_id = page.id) as line
    full join (select sku, quantity as reserved, state from reservation where order_id = page.id) as reservation using (sku)
  ) as compared
  where is_unlike_line or is_unlike_stage
`;

/** In hold mode its money is held, captured or voided as its stage has it; in debit mode there is no hold. */
export const heldMoney = (sql: Queryable): Fragment => sql`
  select
    case
      when page.payment_mode = 'debit' and hold.state is not null then format('it holds money (%s) and is to be debited', hold.state)
      when page.payment_mode = 'hold' and page.stage in ('awaiting_payment', 'paid', 'refunded') and hold.state is null
        then 'no money is held for it'
      when page.stage = 'awaiting_payment' and hold.state <> 'held' then format('its hold is %s', hold.state)
      when page.stage in ('paid', 'refunded') and hold.state = 'voided' then 'its hold is voided'
      when page.stage not in ('awaiting_payment', 'paid', 'refunded') and hold.state = 'captured' then 'its hold is captured'
      when page.stage in ('awaiting_payment', 'paid', 'refunded') and (hold.amount <> page.total or hold.wallet_id <> page.wallet_id)
        then format(
          'its hold is of %s in wallet %s, and it is to be paid with %s from wallet %s',
          hold.amount, hold.wallet_id, page.total, page.wallet_id
        )
      when is_stray then format('its hold is of wallet %s, which does not exist', hold.wallet_id)
    end as problem,
    is_stray
  from (values (1)) as always
  left join hold on hold.order_id = page.id
  cross join lateral (
    select hold.state = 'held' and not exists (select from wallet where wallet.id = hold.wallet_id) as is_stray
  ) as wallet_of_hold
`;

/** One debit or capture, by its mode, of its total, from its wallet; or from what its payments brought in. */
export const payment = (sql: Queryable): Fragment => sql`
  select
    transfer.id, entry.amount,
    case
      when count(*) over () > 1 then format('it was paid %s times', count(*) over ())
      when page.stage in ('paid', 'refunded') and entry.account is distinct from case when page.secured > 0 then 'clearing' else 'wallet' end
        then format('%s of it are secured by payments, and it was paid from %s', page.secured, entry.account)
      when
        entry.wallet_id <> page.wallet_id or entry.currency <> page.currency
        or (page.stage in ('paid', 'refunded') and entry.amount is distinct from -page.total)
        then format(
          '%s %s were taken from wallet %s, and it is to be paid with %s %s from wallet %s',
          coalesce(-entry.amount, 0), entry.currency, entry.wallet_id, page.total, page.currency, page.wallet_id
        )
      when
        page.stage in ('paid', 'refunded')
        and transfer.kind <> case when page.payment_mode = 'hold' or page.secured > 0 then 'capture' else 'debit' end
        then format('it was paid by %s in %s mode', transfer.kind, page.payment_mode)
    end as problem
  from transfer
  left join entry on entry.transfer_id = transfer.id and entry.account in ('wallet', 'clearing')
  where transfer.order_id = page.id and transfer.kind in ('debit', 'capture')
  limit 1
`;

/** It counts what its payments secure: never more than its total, all of it when they paid it, and nothing in hold mode. */
export const securedByPayments = (sql: Queryable): Fragment => sql`
  select
    case
      when amount <> page.secured then format('it counts %s as secured, and its payments secure %s', page.secured, amount)
      when page.secured > page.total then format('%s of %s are secured', page.secured, page.total)
      when page.secured > 0 and page.stage not in ('awaiting_payment', 'paid', 'refunded') then format('%s of it are secured', page.secured)
      when page.secured > 0 and page.stage in ('paid', 'refunded') and page.secured <> page.total
        then format('%s of %s are secured', page.secured, page.total)
      when page.payment_mode = 'hold' and payments > 0 then 'it has payments in hold mode'
    end as problem
  from (
    select count(*) as payments, coalesce(sum(amount) filter (where secures), 0) as amount from payment where order_id = page.id
  ) as made
`;
