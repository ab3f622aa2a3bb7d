/** Detector of inconsistent orders: all rows of one order agree. */
import type { PendingQuery, Row } from 'postgres';
import { RECORDED_MOVES } from '../../domain/stages.ts';
import type { Queryable } from '../postgres.ts';
import { NIL, type Detector, type Inspected, type PageOfRows } from './detector.ts';

type Fragment = PendingQuery<Row[]>;

const MOVES = JSON.stringify(RECORDED_MOVES);

/** Orders, and orders that are missing but have rows: a backup may be restored without them. */
function ordersAndOrphans(sql: Queryable, { after, limit }: PageOfRows): Fragment {
  const cursor = after ?? NIL;
  // Each table contributes its first ids, by its key: the first ids of all are among them.
  return sql`
    select id as subject, id
    from (
      (select id from orders where id > ${cursor} order by id limit ${limit})
      union
      (select distinct order_id from order_line where order_id > ${cursor} order by order_id limit ${limit})
      union
      (select distinct order_id from order_event where order_id > ${cursor} order by order_id limit ${limit})
      union
      (select distinct order_id from order_step where order_id > ${cursor} order by order_id limit ${limit})
      union
      (select distinct order_id from reservation where order_id > ${cursor} order by order_id limit ${limit})
      union
      (select order_id from hold where order_id > ${cursor} order by order_id limit ${limit})
      union
      (select order_id from transfer where kind = 'refund' and order_id > ${cursor} order by order_id limit ${limit})
    ) as known
    order by id
    limit ${limit}
  `;
}

/**
 * Rules 3, 6, 7 and 9: an order's path, steps, units, hold, payment and refund fit its stage. Rule 5, for a hold of a wallet that is
 * missing. Units or money held by an order that is over, money taken for one, and a missing payment have detectors of their own.
 *
 * Each part below is joined to a `page` row and yields its `problem`, null when it is in order.
 */
export const consistentOrders: Detector = {
  page: ordersAndOrphans,
  inspect: (sql, page) => sql<Inspected[]>`
    with page as (
      select known.id, orders.id is not null as is_there, stage, version, payment_mode, wallet_id, currency, total
      from (${ordersAndOrphans(sql, page)}) as known
      left join orders on orders.id = known.id
    ),
    allowed as materialized (
      select "from", "to" from jsonb_to_recordset(${MOVES}::text::jsonb) as move ("from" text, "to" text)
    )
    select
      page.id as subject, page.id as "orderId", to_json(breaks) as breaks,
      case
        when breaks = '{}' then null
        when not is_there then format('does not exist, but it has %s', orphans.problem)
        else format(
          'is %s, but %s', stage,
          concat_ws('; ', path.problem, step.problem, units.problem, promise.problem, payment.problem, refund.problem)
        )
      end as finding
    from page
    left join lateral (${rowsOfMissingOrder(sql)}) as orphans on true
    left join lateral (${stepsAndLines(sql)}) as step on is_there
    left join lateral (${pathOfEvents(sql)}) as path on is_there
    left join lateral (${reservedUnits(sql)}) as units on is_there
    left join lateral (${heldMoney(sql)}) as promise on is_there
    left join lateral (${payment(sql)}) as payment on is_there
    left join lateral (${refund(sql)}) as refund on is_there
    cross join lateral (
      select
        array_remove(
          array[
            case when step.problem is not null or units.is_unlike_lines or orphans.breaks_3 then 3 end,
            case when promise.is_stray then 5 end,
            case when payment.problem is not null or refund.problem is not null or orphans.breaks_6 then 6 end,
            case when units.is_unlike_stage or promise.problem is not null or orphans.breaks_7 then 7 end,
            case when path.problem is not null or orphans.breaks_9 then 9 end
          ],
          null
        ) as breaks
    ) as judged
    order by page.id
  `,
};

/** What has been released or voided for an order that is missing is in order: reconciliation gave it back. */
const rowsOfMissingOrder = (sql: Queryable): Fragment => sql`
  select
    has_lines or has_steps or has_sold as breaks_3,
    has_refund as breaks_6,
    has_sold or has_captured as breaks_7,
    has_events as breaks_9,
    concat_ws(
      ', ',
      case when has_lines then 'lines' end,
      case when has_events then 'events' end,
      case when has_steps then 'steps' end,
      case when has_sold then 'sold units' end,
      case when has_captured then 'a captured hold' end,
      case when has_refund then 'a refund' end
    ) as problem
  from (
    select
      exists (select from order_line where order_id = page.id) as has_lines,
      exists (select from order_event where order_id = page.id) as has_events,
      exists (select from order_step where order_id = page.id) as has_steps,
      exists (select from reservation where order_id = page.id and state = 'consumed') as has_sold,
      exists (select from hold where order_id = page.id and state = 'captured') as has_captured,
      exists (select from transfer where order_id = page.id and kind = 'refund') as has_refund
    where not is_there
  ) as rows
`;

/** An order has lines, the step that decided it, and the steps that paid and refunded it. */
const stepsAndLines = (sql: Queryable): Fragment => sql`
  select
    nullif(
      concat_ws(
        '; ',
        case when bool_or(step = 'reserve') is not true then 'no step has reserved or rejected it' end,
        case
          -- A payment that was refused is a step, too.
          when page.stage in ('paid', 'refunded') and bool_or(step = 'pay' and stage = 'paid') is not true
            then 'no step has paid it'
        end,
        case when page.stage = 'refunded' and bool_or(step = 'refund') is not true then 'no step has refunded it' end,
        case when not exists (select from order_line where order_line.order_id = page.id) then 'it has no lines' end
      ),
      ''
    ) as problem,
    bool_or(step = 'reserve' and stage = 'awaiting_payment') as was_reserved
  from order_step
  where order_step.order_id = page.id
`;

/** Its events are a path of the stage table with gapless versions, and end where the order is. */
const pathOfEvents = (sql: Queryable): Fragment => sql`
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
    window path as (order by version)
  ) as event
  where
    version is distinct from expected_version
    or from_stage is distinct from previous
    or (is_last and (version, stage) is distinct from (page.version, page.stage))
    or not exists (select from allowed where allowed."from" is not distinct from from_stage and allowed."to" = stage)
`;

/** While it holds or has sold its units, it has one reservation for each line, and in the state of its stage. */
const reservedUnits = (sql: Queryable): Fragment => sql`
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
const heldMoney = (sql: Queryable): Fragment => sql`
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

/** One debit or capture, by its mode, of its total, from its wallet. */
const payment = (sql: Queryable): Fragment => sql`
  select
    transfer.id, entry.amount,
    case
      when count(*) over () > 1 then format('it was paid %s times', count(*) over ())
      when
        entry.wallet_id <> page.wallet_id or entry.currency <> page.currency
        or (page.stage in ('paid', 'refunded') and entry.amount is distinct from -page.total)
        then format(
          '%s %s were taken from wallet %s, and it is to be paid with %s %s from wallet %s',
          coalesce(-entry.amount, 0), entry.currency, entry.wallet_id, page.total, page.currency, page.wallet_id
        )
      when page.stage in ('paid', 'refunded') and transfer.kind <> case page.payment_mode when 'hold' then 'capture' else 'debit' end
        then format('it was paid by %s in %s mode', transfer.kind, page.payment_mode)
    end as problem
  from transfer
  left join entry on entry.transfer_id = transfer.id and entry.account = 'wallet'
  where transfer.order_id = page.id and transfer.kind in ('debit', 'capture')
  limit 1
`;

/** One refund when it is refunded, of what was paid at most. What was taken for an order that is over is given back in full. */
const refund = (sql: Queryable): Fragment => sql`
  select
    case
      when count(*) over () > 1 then format('it was refunded %s times', count(*) over ())
      when page.stage = 'refunded' and transfer.id is null then 'no money was given back'
      when page.stage = 'paid' and transfer.id is not null then format('%s were given back', entry.amount)
      when entry.wallet_id <> page.wallet_id or entry.currency <> page.currency
        then format('%s %s were given back to wallet %s', entry.amount, entry.currency, entry.wallet_id)
      when
        entry.amount > -coalesce(payment.amount, 0)
        or (
          page.stage not in ('paid', 'refunded') and transfer.id is not null and payment.id is not null
          and entry.amount is distinct from -payment.amount
        )
        then format('%s were given back of %s', coalesce(entry.amount, 0), -coalesce(payment.amount, 0))
    end as problem
  from (values (1)) as always
  left join transfer on transfer.order_id = page.id and transfer.kind = 'refund'
  left join entry on entry.transfer_id = transfer.id and entry.account = 'wallet'
  limit 1
`;
