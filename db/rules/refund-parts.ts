/**
 * The parts of the detector of inconsistent orders that are about refunds: of money, of units, and in the order's path. As in
 * order-parts.ts, each is joined to a `page` row of an order that exists, and yields its `problem`, null when it is in order.
 */
import type { Queryable } from '../postgres.ts';
import { NIL, type Fragment } from './detector.ts';

/**
 * What its refunds come to is what it counts, what the ledger gave back, and never more than was paid; all of it when the order is refunded,
 * and only then. It goes back to the order's wallet, or, when payments paid the order, into clearing, from where it is owed to them: all of
 * each refund. What was taken for an order that is over is given back in full. Uses `payment`.
 */
export const refundedMoney = (sql: Queryable): Fragment => sql`
  select
    case
      when given_back > paid then format('%s were given back of %s', given_back, paid)
      when elsewhere is not null then elsewhere
      when page.stage not in ('paid', 'refunded') and refunds > 0 then format('it was refunded %s times', refunds)
      when page.stage not in ('paid', 'refunded') and transfers > 0 and payment.id is not null and given_back <> paid
        then format('%s were given back of %s', given_back, paid)
      when page.stage not in ('paid', 'refunded') then null
      when refunded <> page.refunded then format('it counts %s as refunded, and its refunds come to %s', page.refunded, refunded)
      when given_back <> refunded then format('its refunds come to %s, and %s were given back', refunded, given_back)
      when (page.stage = 'refunded') <> (refunded = page.total) then format('%s of %s were refunded', refunded, page.total)
      else unlike
    end as problem
  from (select -coalesce(payment.amount, 0) as paid) as payment_made
  cross join lateral (
    select
      count(*) as transfers, coalesce(sum(amount), 0) as given_back,
      min(format('%s %s were given back to %s', amount, entry.currency, concat_ws(' ', account, entry.wallet_id))) filter (
        where
          entry.wallet_id <> page.wallet_id or entry.currency <> page.currency
          or account <> case when page.secured > 0 then 'clearing' else 'wallet' end
      ) as elsewhere
    from transfer left join entry on entry.transfer_id = transfer.id and account in ('wallet', 'clearing')
    where transfer.order_id = page.id and kind = 'refund'
  ) as ledger
  cross join lateral (
    select
      count(*) as refunds, coalesce(sum(made.amount), 0) as refunded,
      min(
        case
          when made.amount <> coalesce(moved.amount, 0)
            then format('its refund %s is of %s, and %s were given back by it', made.version, made.amount, coalesce(moved.amount, 0))
          -- What is left in the end may be less than its units cost, or more.
          when made.amount <> units.amount and not (page.stage = 'refunded' and made.version = page.version)
            then format('its refund %s is of %s, and its units cost %s', made.version, made.amount, units.amount)
          when owed.amount <> case when page.secured > 0 then made.amount else 0 end
            then format('its refund %s is of %s, and its payments get %s of it', made.version, made.amount, owed.amount)
        end
      ) as unlike
    from refund as made
    left join lateral (
      select entry.amount
      from transfer join entry on entry.transfer_id = transfer.id and account in ('wallet', 'clearing')
      where transfer.id = made.transfer_id and transfer.order_id = made.order_id and kind = 'refund'
    ) as moved on true
    left join lateral (
      select sum(refund_line.amount) as amount from refund_line
      where refund_line.order_id = made.order_id and refund_line.command_id = made.command_id
    ) as units on true
    cross join lateral (
      select coalesce(sum(refund_payment.amount), 0) as amount from refund_payment
      where refund_payment.order_id = made.order_id and refund_payment.command_id = made.command_id
    ) as owed
    where made.order_id = page.id
  ) as made
`;

/** Each line counts the units of its refunds, what they cost, and never more than were bought; what went back on hand has moved. */
export const refundedUnits = (sql: Queryable): Fragment => sql`
  select
    string_agg(
      case
        when is_unlike_line then format(
          '%s of %s units of %s are counted as refunded (%s), and its refunds have %s (%s)',
          coalesce(counted, 0), coalesce(bought, 0), sku, coalesce(counted_amount, 0), coalesce(refunded, 0), coalesce(amount, 0)
        )
        else format(
          '%s units of %s went back on hand, and by its refunds %s', coalesce(returned, 0), sku, coalesce(restocked, 0)
        )
      end,
      '; ' order by sku
    ) as problem,
    bool_or(is_unlike_line) as is_unlike_lines,
    bool_or(is_unlike_stock) as is_unlike_stock
  from (
    select
      *,
      counted is distinct from coalesce(refunded, 0)
      or counted_amount is distinct from coalesce(amount, 0)
      or counted > bought
      or counted_amount <> share as is_unlike_line,
      coalesce(restocked, 0) <> coalesce(returned, 0) as is_unlike_stock
    from (
      select
        sku, quantity as bought, refunded as counted, refunded_amount as counted_amount,
        div((quantity::numeric * unit_price + adjustment) * refunded, quantity) as share
      from order_line
      where order_id = page.id
    ) as line
    full join (
      select sku, sum(quantity) as refunded, sum(amount) as amount, sum(quantity) filter (where restocked) as restocked
      from refund_line
      where order_id = page.id
      group by sku
    ) as made using (sku)
    full join (
      select sku, sum(quantity) as returned from stock_movement where order_id = page.id group by sku
    ) as stock using (sku)
  ) as compared
  where is_unlike_line or is_unlike_stock
`;

/** Each refund is the event that has its version and its command, and each move of a paid order is a refund, while its events are kept. */
export const pathOfRefunds = (sql: Queryable): Fragment => sql`
  select
    min(
      case
        when event.version is null then format('its refund %s is no event', made.version)
        when made.version is null then format('its event %s is no refund', event.version)
        else format('its event %s is of another command than its refund', event.version)
      end
    ) as problem
  from (select version, command_id from refund where order_id = page.id) as made
  full join (
    select version, command_id from order_event where order_id = page.id and from_stage = 'paid'
  ) as event using (version)
  where
    (event.version is null or made.version is null or coalesce(event.command_id, ${NIL}) <> made.command_id)
    -- Without any, they are dropped, or all missing.
    and exists (select from order_event where order_id = page.id)
`;

/** Each refund has the step that made it. Those from before 0.8 have the key of a step that an order takes once. */
export const stepsOfRefunds = (sql: Queryable): Fragment => sql`
  select min(format('no step has made its refund %s', version)) as problem
  from refund as made
  where
    made.order_id = page.id
    and not exists (
      select from order_step
      where
        order_step.order_id = made.order_id and step = 'refund' and order_step.command_id in (made.command_id, ${NIL})
        and (order_step.stage = 'refunded' or order_step.reason is null)
    )
`;
