import type { Database } from '../connection.ts';
import { runStep, type PlacedOrder, type StepResult } from './step.ts';

/**
 * Reserves every line of an order or none, and in `hold` mode the money too.
 * Leads to `awaiting_payment`, or to `rejected` with a rejection reason; to `cancelled` when the order was abandoned first.
 */
export function reserve(database: Database, order: PlacedOrder): Promise<StepResult> {
  const { orderId, buyerId, walletId, paymentMode, paymentDeadline, at } = order;
  const lines = JSON.stringify(order.lines);
  return runStep(
    database,
    orderId,
    (sql) => sql<StepResult[]>`
      with line as (
        -- The same SKU on two lines is one reservation.
        select sku, sum(quantity)::bigint as quantity
        from jsonb_to_recordset(${lines}::text::jsonb) as requested (sku text, quantity bigint)
        group by sku
      ),
      stock as materialized (
        select sku, price, currency, on_hand, reserved, on_hand - reserved as available
        from sku
        where sku in (select sku from line)
        order by sku
        for no key update
      ),
      purse as materialized (
        -- Only a hold changes the wallet now. Counting the SKUs makes them be locked before it.
        select posted, held, posted - held as available
        from wallet
        where id = ${walletId} and ${paymentMode}::text = 'hold' and (select count(*) from stock) >= 0
        for no key update
      ),
      priced as (
        select line.sku, line.quantity, stock.price, stock.currency, stock.on_hand, stock.reserved, stock.available
        from line left join stock using (sku)
      ),
      buyer as (
        -- A wallet's currency never changes, so it needs no lock.
        select (select currency from wallet where id = ${walletId}) as currency
      ),
      decided as (
        select
          case
            when buyer.currency is null then 'unknown_wallet'
            when bool_or(priced.price is null) then 'unknown_sku'
            when bool_or(priced.currency <> buyer.currency) then 'currency_mismatch'
            when bool_or(priced.available < priced.quantity) then 'out_of_stock'
            when (select available from purse) < sum(priced.quantity * priced.price) then 'insufficient_funds'
          end as refusal,
          case
            when bool_and(priced.currency is not distinct from buyer.currency)
              then sum(priced.quantity * priced.price)::bigint
          end as total,
          case when bool_and(priced.currency is not distinct from buyer.currency) then buyer.currency end as currency
        from priced cross join buyer
        group by buyer.currency
      ),
      claim as (
        insert into order_step (order_id, step, attempt, stage, reason)
        select
          ${orderId}, 'reserve', 1,
          case when refusal is null then 'awaiting_payment' else 'rejected' end, refusal
        from decided
        on conflict do nothing
        returning stage, reason
      ),
      granted as (
        select decided.total from claim cross join decided where claim.stage = 'awaiting_payment'
      ),
      placed as (
        insert into orders (
          id, buyer_id, wallet_id, payment_mode, stage, reason, currency, total,
          payment_deadline, created_at, updated_at, version
        )
        select
          ${orderId}, ${buyerId}, ${walletId}, ${paymentMode}, claim.stage, claim.reason, decided.currency, decided.total,
          ${paymentDeadline}, ${at}, ${at}, 1
        from claim cross join decided
      ),
      placed_line as (
        insert into order_line (order_id, sku, quantity, unit_price)
        select ${orderId}, priced.sku, priced.quantity, priced.price
        from claim cross join priced
      ),
      event as (
        insert into order_event (order_id, version, stage, reason, at)
        select ${orderId}, 1, stage, reason, ${at} from claim
      ),
      promised_units as (
        update sku set on_hand = priced.on_hand, reserved = priced.reserved + priced.quantity
        from granted cross join priced
        where sku.sku = priced.sku
      ),
      reserved as (
        insert into reservation (order_id, sku, quantity, state)
        select ${orderId}, priced.sku, priced.quantity, 'held'
        from granted cross join priced
      ),
      promised_money as (
        update wallet set posted = purse.posted, held = purse.held + granted.total
        from granted cross join purse
        where wallet.id = ${walletId}
      ),
      held as (
        insert into hold (order_id, wallet_id, amount, state)
        select ${orderId}, ${walletId}, total, 'held'
        from granted
        where ${paymentMode}::text = 'hold'
      )
      select stage, reason from claim
      union all
      select stage, reason from order_step where order_id = ${orderId} and step = 'reserve' and attempt = 1
    `,
  );
}
