/** Writes a year of a million orders by SQL: through the steps it would take hours. */
import { NIL_UUID } from '../../../db/schema/columns.ts';
import type { Queryable } from '../../../db/postgres.ts';

export const ORDERS = 1_000_000;
export const SKUS = 500;
const WALLETS = 10_000;
const FUNDS = 1_000_000_000;
const ON_HAND = 1_000_000;
export const DAYS = 365;
export const LAST_DAY = '2026-12-31';

/**
 * Writes orders with all their rows: lines, events, units and money. Of twenty orders fourteen are paid and
 * two of these are refunded, one restocked; the others are rejected (1), cancelled (2) and expired (3). Each has one or two lines.
 */
export async function writeOrders(sql: Queryable, report: (line: string) => void): Promise<void> {
  // Foreign key checks would take minutes. The trigger that puts events into stat_pending still runs.
  await sql`set local session_replication_role = replica`;
  await sql`
    create temporary table buyer_wallet on commit drop as
    select gen_random_uuid() as id, number from generate_series(1, ${WALLETS}::integer) as number
  `;
  await sql`
    create temporary table sale on commit drop as
    select
      sale.number, placed_at, buyer_wallet.id as wallet_id,
      -- As UUIDv7, so that ids and times have one order, as in production.
      (lpad(to_hex((extract(epoch from placed_at) * 1000)::bigint), 12, '0') || '70008000' || lpad(to_hex(sale.number), 12, '0'))::uuid as id,
      case
        when sale.number % 20 < 14 then 'paid' when sale.number % 20 = 14 then 'rejected'
        when sale.number % 20 < 17 then 'cancelled' else 'expired'
      end as outcome,
      sale.number % 20 < 2 as is_refunded, sale.number % 20 = 0 as is_restocked
    from generate_series(1, ${ORDERS}::integer) as sale (number)
    join buyer_wallet on buyer_wallet.number = 1 + sale.number % ${WALLETS}::integer
    cross join lateral (
      select
        (${LAST_DAY}::text::date + 1)::timestamp at time zone 'UTC'
          - interval '1 day' * ${DAYS}::integer * (1 - (sale.number - 1)::float8 / ${ORDERS}::integer) as placed_at
    ) as time
  `;
  report('  lines');
  await sql`
    insert into order_line (order_id, sku, quantity, unit_price, refunded, refunded_amount)
    select
      id, 'BENCH-' || (number * 7 + line * 3) % ${SKUS}::integer, 1 + number % 3, 500 + number % 100,
      case when is_refunded then 1 + number % 3 else 0 end,
      case when is_refunded then (1 + number % 3) * (500 + number % 100) else 0 end
    from sale cross join generate_series(0, 1) as line
    where line <= number % 2
  `;
  report('  orders');
  await sql`
    insert into orders (
      shop_id, id, buyer_id, wallet_id, payment_mode, stage, currency, total, refunded, payment_deadline, created_at, updated_at,
      version
    )
    select
      'main', id, 'buyer-' || number % 10000, wallet_id, 'debit', case when is_refunded then 'refunded' else outcome end, 'EUR',
      (1 + number % 2) * (1 + number % 3) * (500 + number % 100),
      case when is_refunded then (1 + number % 2) * (1 + number % 3) * (500 + number % 100) else 0 end,
      placed_at + interval '15 minutes', placed_at, placed_at,
      case when is_refunded then 3 when outcome = 'rejected' then 1 else 2 end
    from sale
  `;
  report('  steps');
  await sql`
    insert into order_step (order_id, step, command_id, stage, recorded_at)
    select id, 'reserve', ${NIL_UUID}::uuid, case outcome when 'rejected' then 'rejected' else 'awaiting_payment' end, placed_at from sale
    union all
    select id, 'pay', id, 'paid', placed_at + interval '2 minutes' from sale where outcome = 'paid'
    union all
    select id, 'refund', ${NIL_UUID}::uuid, 'refunded', placed_at + interval '3 days' from sale where is_refunded
  `;
  report('  events');
  await sql`
    insert into order_event (order_id, version, from_stage, stage, at)
    select
      id, 1, null, case outcome when 'rejected' then 'rejected' else 'awaiting_payment' end, placed_at
    from sale
    union all
    select
      id, 2, 'awaiting_payment', outcome,
      placed_at + case outcome when 'expired' then interval '15 minutes' else interval '2 minutes' end
    from sale
    where outcome <> 'rejected'
    union all
    select id, 3, 'paid', 'refunded', placed_at + interval '3 days' from sale where is_refunded
    -- In the order of time, as in production: a day's events lie together.
    order by 5
  `;
  report('  ledger');
  await sql`
    insert into idempotency_key (operation, key, fingerprint, command_id, claimed_until, response_status)
    select 'createOrder', id::text, 'bench', id, placed_at, 201 from sale where outcome <> 'rejected'
  `;
  await sql`
    create temporary table movement on commit drop as
    select
      -- In the order of time, too.
      overlay(sale.id::text placing case kind when 'refund' then 'a' else '9' end from 20 for 1)::uuid as id,
      sale.id as order_id, kind, wallet_id, case kind when 'refund' then total else -total end as amount
    from sale
    join orders using (id, wallet_id)
    cross join (values ('debit'), ('refund')) as made (kind)
    where outcome = 'paid' and (kind = 'debit' or is_refunded)
  `;
  await sql`
    insert into movement
    -- Before every payment, so that each entry states the balance that it left.
    select ('00000000-0000-7000-8000-' || lpad(to_hex(number), 12, '0'))::uuid, null, 'deposit', id, ${FUNDS}::bigint
    from buyer_wallet
  `;
  await sql`insert into transfer (shop_id, id, kind, order_id) select 'main', id, kind, order_id from movement`;
  await sql`
    insert into refund (order_id, version, shop_id, amount, currency, reason, at, transfer_id)
    select sale.id, 3, 'main', amount, 'EUR', 'bench', placed_at + interval '3 days', movement.id
    from sale join movement on movement.order_id = sale.id and kind = 'refund'
  `;
  await sql`
    insert into refund_line (order_id, command_id, sku, quantity, amount, restocked)
    select sale.id, ${NIL_UUID}::uuid, sku, refunded, refunded_amount, is_restocked
    from sale join order_line on order_line.order_id = sale.id
    where refunded > 0
  `;
  await sql`
    insert into entry (shop_id, transfer_id, account, wallet_id, amount, currency, posted_after, held_after)
    select
      'main', id, 'wallet', wallet_id, amount, 'EUR',
      sum(amount) over (partition by wallet_id order by id rows unbounded preceding), 0
    from movement
    union all
    select 'main', id, case kind when 'deposit' then 'funding' else 'sales' end, null, -amount, 'EUR', null, null from movement
    -- In the order of time, as in production.
    order by 2
  `;
  await sql`
    insert into wallet (shop_id, id, owner_id, currency, posted)
    select 'main', wallet_id, 'bench', 'EUR', sum(amount) from movement group by wallet_id
  `;
  report('  units');
  await sql`
    insert into reservation (shop_id, order_id, sku, quantity, state)
    select 'main', order_id, sku, quantity, case outcome when 'paid' then 'consumed' else 'released' end
    from sale join order_line on order_line.order_id = sale.id
    where outcome <> 'rejected'
  `;
  await sql`
    insert into stock_movement (shop_id, id, sku, kind, quantity, order_id)
    select 'main', gen_random_uuid(), order_line.sku, 'return', order_line.quantity, order_id
    from sale join order_line on order_line.order_id = sale.id
    where is_restocked
  `;
  await sql`
    insert into sku (shop_id, sku, name, price, currency, on_hand)
    select 'main', 'BENCH-' || number, 'bench', 500, 'EUR', ${ON_HAND}::bigint from generate_series(0, ${SKUS}::integer - 1) as number
  `;
  // What is on hand or sold came in once; the returns are written above.
  await sql`
    insert into stock_movement (shop_id, id, sku, kind, quantity)
    select 'main', gen_random_uuid(), sku.sku, 'initial', on_hand + sold.quantity - returned.quantity
    from sku
    cross join lateral (
      select coalesce(sum(quantity), 0) as quantity from reservation where reservation.sku = sku.sku and state = 'consumed'
    ) as sold
    cross join lateral (
      select coalesce(sum(quantity), 0) as quantity from stock_movement where stock_movement.sku = sku.sku
    ) as returned
  `;
}
