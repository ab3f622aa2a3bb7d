/** Whether that fits together which belongs to one order, or to one transfer. */
import { RECORDED_MOVES } from '../../domain/stages.ts';
import type { Queryable } from '../postgres.ts';
import { NIL, type Look, type Page, type PageOfRows } from './page.ts';

const MOVES = JSON.stringify(RECORDED_MOVES);

/** Orders, and ids of orders that do not exist and yet have rows: by the tables, a restored backup may lack what others have. */
export const ordersAndOrphans = (sql: Queryable, { after, limit }: PageOfRows) => {
  const place = after ?? NIL;
  // Each table gives its first ids, by its key: among them are the first ids of all.
  return sql`
    select id as subject, id
    from (
      (select id from orders where id > ${place} order by id limit ${limit})
      union
      (select distinct order_id from order_line where order_id > ${place} order by order_id limit ${limit})
      union
      (select distinct order_id from order_event where order_id > ${place} order by order_id limit ${limit})
      union
      (select distinct order_id from order_step where order_id > ${place} order by order_id limit ${limit})
    ) as known
    order by id
    limit ${limit}
  `;
};

export const transfers = (sql: Queryable, { after, limit }: PageOfRows) => {
  const place = after ?? NIL;
  return sql`
    select id as subject, id
    from (
      (select id from transfer where id > ${place} order by id limit ${limit})
      union
      (select distinct transfer_id from entry where transfer_id > ${place} order by transfer_id limit ${limit})
    ) as known
    order by id
    limit ${limit}
  `;
};

/**
 * Whether an order's path, units, hold, payment and refund fit its stage. What is held by an order that is over, money that was
 * taken for one, and a payment that is missing have kinds of their own.
 */
export const inconsistentOrders = (sql: Queryable, page: Page) => sql<Look[]>`
  with page as (
    select known.id, orders.id is not null as is_there, stage, version, payment_mode, wallet_id, currency, total
    from (${ordersAndOrphans(sql, page)}) as known
    left join orders on orders.id = known.id
  ),
  allowed as materialized (
    select "from", "to" from jsonb_to_recordset(${MOVES}::text::jsonb) as move ("from" text, "to" text)
  )
  select
    page.id as subject, page.id as "orderId",
    case
      when not is_there then 'does not exist, but lines, events or steps of it do'
      when coalesce(path.problem, step.problem, stock.problem, promise.problem, payment.problem, given_back.problem) is not null
        then format(
          'is %s, but %s', stage,
          concat_ws('; ', path.problem, step.problem, stock.problem, promise.problem, payment.problem, given_back.problem)
        )
    end as finding
  from page
  left join lateral (
    -- What each order has from the statement that recorded it, and each payment and refund from its own.
    select
      nullif(
        concat_ws(
          '; ',
          case when bool_or(step = 'reserve') is not true then 'no step has reserved or rejected it' end,
          case
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
  ) as step on true
  left join lateral (
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
  ) as path on true
  left join lateral (
    select
      string_agg(
        format(
          '%s units of %s are ordered and %s %s', coalesce(line.quantity, 0), sku,
          coalesce(reservation.quantity, 0), coalesce(reservation.state, 'reserved')
        ),
        '; ' order by sku
      ) as problem
    from (select sku, quantity from order_line where order_id = page.id) as line
    full join (select sku, quantity, state from reservation where order_id = page.id) as reservation using (sku)
    where
      case
        when page.stage = 'awaiting_payment' then line.quantity is distinct from reservation.quantity or reservation.state <> 'held'
        when page.stage in ('paid', 'refunded')
          then line.quantity is distinct from reservation.quantity or reservation.state = 'released'
        when page.stage = 'expired' or (page.stage = 'cancelled' and step.was_reserved)
          then line.quantity is distinct from reservation.quantity or reservation.state = 'consumed'
        -- One that was rejected, or cancelled before it was reserved, has lines alone.
        else line.quantity is null or line.quantity <> reservation.quantity or reservation.state = 'consumed'
      end
  ) as stock on true
  left join lateral (
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
      end as problem
    from (values (1)) as always
    left join hold on hold.order_id = page.id
  ) as promise on true
  left join lateral (
    select
      transfer.id, entry.amount,
      case
        when page.stage not in ('paid', 'refunded') then null
        when transfer.kind <> case page.payment_mode when 'hold' then 'capture' else 'debit' end
          then format('it was paid by %s in %s mode', transfer.kind, page.payment_mode)
        when entry.amount is distinct from -page.total or entry.wallet_id <> page.wallet_id or entry.currency <> page.currency
          then format(
            '%s %s were taken from wallet %s, and it is to be paid with %s %s from wallet %s',
            coalesce(-entry.amount, 0), entry.currency, entry.wallet_id, page.total, page.currency, page.wallet_id
          )
      end as problem
    from transfer
    left join entry on entry.transfer_id = transfer.id and entry.account = 'wallet'
    where transfer.order_id = page.id and transfer.kind in ('debit', 'capture')
  ) as payment on true
  left join lateral (
    select
      case
        when page.stage = 'refunded' and transfer.id is null then 'no money was given back'
        when page.stage = 'paid' and transfer.id is not null then format('%s were given back', entry.amount)
        when entry.amount > -coalesce(payment.amount, 0)
          then format('%s were given back of %s', entry.amount, -coalesce(payment.amount, 0))
      end as problem
    from (values (1)) as always
    left join transfer on transfer.order_id = page.id and transfer.kind = 'refund'
    left join entry on entry.transfer_id = transfer.id and entry.account = 'wallet'
  ) as given_back on true
  order by page.id
`;

/** Whether the legs of a transfer sum to zero. */
export const unbalancedTransfers = (sql: Queryable, page: Page) => sql<Look[]>`
  with page as (
    select known.id, kind, order_id
    from (${transfers(sql, page)}) as known
    left join transfer on transfer.id = known.id
  )
  select
    page.id as subject, page.order_id as "orderId",
    case
      when kind is null then format('does not exist, but %s legs of it do, which sum to %s', leg.count, leg.amount)
      when leg.count < 2 or leg.amount <> 0 or leg.currencies <> 1
        then format('a %s has %s legs in %s currencies, which sum to %s', page.kind, leg.count, leg.currencies, leg.amount)
      when leg.strays > 0 then format('a %s is of a wallet that does not exist', page.kind)
    end as finding
  from page
  cross join lateral (
    select
      count(*) as count, coalesce(sum(amount), 0) as amount, count(distinct entry.currency) as currencies,
      count(*) filter (where account = 'wallet' and wallet.id is null) as strays
    from entry left join wallet on wallet.id = entry.wallet_id
    where entry.transfer_id = page.id
  ) as leg
  order by page.id
`;
