/** The parts of the reserve statement that claim the keys of the decided orders and write all that follows from them. */
import type { Fragment, Queryable } from '../postgres.ts';
import type { Terms } from './reserve-terms.ts';

/** Which of the decided orders does this statement write? Every effect depends on these keys. */
export const claimDecided = (sql: Queryable): Fragment => sql`
  granted as (
    -- In key order, as all claims: twin attempts of the same orders wait for each other here and must not deadlock.
    insert into order_step (order_id, step, stage)
    select order_id, 'reserve', 'awaiting_payment' from decided where refusal is null order by order_id
    on conflict do nothing
    returning order_id
  ),
  refused as (
    -- A twin attempt that committed after this statement's snapshot and before its locks has the key of an order decided here,
    -- and has taken its units. Orders after it may have been refused for units that nobody takes, so
    -- a refusal counts only when every granted order could be claimed. A cancelled order is such a twin.
    insert into order_step (order_id, step, stage, reason)
    select order_id, 'reserve', 'rejected', refusal
    from decided
    where
      refusal <> 'undecided'
      and (select count(*) from granted) = (select count(*) from decided where refusal is null)
    order by order_id
    on conflict do nothing
    returning order_id
  ),
  claim as materialized (
    select
      request.*, is_granted, case when is_granted then 'awaiting_payment' else 'rejected' end as stage,
      decided.refusal, decided.total, decided.currency as order_currency
    from (
      select order_id, true as is_granted from granted
      union all
      select order_id, false from refused
    ) as claimed
    join decided using (order_id)
    join request using (place)
  )`;

/** Writes each claimed order, granted or rejected, with its lines and its event. */
export const recordOrders = (sql: Queryable, terms: Terms): Fragment => sql`
  placed as (
    insert into orders (
      id, shop_id, buyer_id, wallet_id, payment_mode, stage, reason, currency, total,
      payment_deadline, created_at, updated_at, version
    )
    select
      order_id, shop_id, buyer_id, wallet_id, payment_mode, stage, refusal, order_currency, total,
      payment_deadline, at, at, 1
    from claim
  ),
  placed_line as (
    insert into order_line (order_id, sku, quantity, unit_price ${terms.orderLineColumns})
    select claim.order_id, priced.sku, priced.quantity, priced.price ${terms.orderLineValues}
    from claim join priced using (place)
  ),
  ${terms.recordParts}
  event as (
    insert into order_event (order_id, version, stage, reason, at)
    select order_id, 1, stage, refusal, at from claim
  )`;

/** Takes the units of the granted orders. */
export const takeUnits = (sql: Queryable): Fragment => sql`
  taken as materialized (
    select claim.order_id, priced.shop_id, priced.sku, priced.quantity
    from claim join priced using (place)
    where is_granted
  ),
  reserved as (
    insert into reservation (shop_id, order_id, sku, quantity, state)
    select shop_id, order_id, sku, quantity, 'held' from taken
  ),
  promised_units as (
    update sku set on_hand = locked_sku.on_hand, reserved = locked_sku.reserved + promised.quantity
    from (
      select shop_id, sku, sum(quantity)::bigint as quantity from taken group by shop_id, sku
    ) as promised
    join locked_sku using (shop_id, sku)
    where sku.shop_id = promised.shop_id and sku.sku = promised.sku
  )`;

/** Takes the money of the granted orders in `hold` mode. */
export const holdMoney = (sql: Queryable): Fragment => sql`
  held as (
    insert into hold (order_id, shop_id, wallet_id, amount, state)
    select order_id, shop_id, wallet_id, total, 'held'
    from claim
    where is_granted and payment_mode = 'hold'
  ),
  promised_money as (
    update wallet set posted = locked_wallet.posted, held = locked_wallet.held + promised.amount
    from (
      select wallet_id as id, sum(total)::bigint as amount
      from claim
      where is_granted and payment_mode = 'hold'
      group by wallet_id
    ) as promised
    join locked_wallet using (id)
    where wallet.id = promised.id
  )`;
