/**
 * Fills a database by SQL with orders of several months and shops, and with all that belongs to them: through the steps it would take
 * hours. Made so that a wrong plan costs much: one shop has half of the orders, one buyer 2 % of them, one wallet their money, and rows
 * that are asked for rarely (open orders, open marks, keys without an answer) are rare.
 */
import { MEASURES } from '../../../domain/measures.ts';
import type { Queryable } from '../../../db/postgres.ts';
import { NIL_UUID } from '../../../db/schema/columns.ts';
import { fillPayments, PART_BY_WALLET } from './fill-payments.ts';
import { fillWebhooks } from './fill-webhooks.ts';

export const MONTHS = 6;
/** `main` and some others. */
const SHOPS = 20;
/** Rows of shops that have no orders, only to be listed. */
const EMPTY_SHOPS = 200;
export const EMPTY_SHOP = `shop-${SHOPS + EMPTY_SHOPS}`;
const SKUS_OF_MAIN = 12_000;
const SKUS_OF_OTHERS = 500;
/** Most sales are of few SKUs. */
const POPULAR_SKUS = 200;
const CALLERS = 200;
const FUNDS = 100_000_000_000;

export interface Filling {
  orders: number;
  /** When the last order was placed. */
  until: Date;
  report: (line: string) => void;
}

export async function fill(sql: Queryable, { orders, until, report }: Filling): Promise<void> {
  const buyers = Math.ceil(orders / 20);
  // Foreign key checks would take minutes.
  await sql`set local session_replication_role = replica`;
  await sql`set local maintenance_work_mem = '256MB'`;
  await sql`set local work_mem = '128MB'`;

  report('  months');
  await splitMonths(sql, until);
  report('  shops, SKUs, wallets');
  await sql`
    insert into shop (id, name)
    select 'shop-' || number, 'Shop ' || number from generate_series(2, ${SHOPS}::integer + ${EMPTY_SHOPS}::integer) as number
  `;
  await sql`
    insert into sku (shop_id, sku, name, price, currency, on_hand)
    select
      case shop when 1 then 'main' else 'shop-' || shop end, 'SKU-' || number, 'Thing ' || number, 500 + number % 100, 'EUR', 1000000
    from generate_series(1, ${SHOPS}::integer) as shop
    cross join lateral generate_series(1, case shop when 1 then ${SKUS_OF_MAIN}::integer else ${SKUS_OF_OTHERS}::integer end) as number
  `;
  await sql`
    -- Buyer 0 orders every fiftieth order of all.
    create temporary table buyer on commit drop as
    select
      number,
      case when number % 2 = 0 then 'main' else 'shop-' || 2 + number / 2 % (${SHOPS}::integer - 1) end as shop_id,
      'buyer-' || number as id,
      ('00000000-0000-7000-8001-' || lpad(to_hex(number), 12, '0'))::uuid as wallet_id
    from generate_series(0, ${buyers}::integer - 1) as number
  `;
  await sql`create unique index on buyer (number)`;
  await sql`analyze buyer`;

  report('  orders');
  await sql`
    create temporary table sale on commit drop as
    select
      sale.number, placed_at, buyer.shop_id, buyer.id as buyer_id, buyer.wallet_id,
      -- As UUIDv7, so that ids and times have one order, as in production.
      (lpad(to_hex((extract(epoch from placed_at) * 1000)::bigint), 12, '0') || '70008000' || lpad(to_hex(sale.number), 12, '0'))::uuid as id,
      case when sale.number % 7 = 0 then 'hold' else 'debit' end as mode,
      case
        when placed_at > ${until}::timestamptz - interval '10 minutes' or sale.number % 500 = 250 then 'awaiting_payment'
        when sale.number % 100 < 70 then 'paid'
        when sale.number % 100 < 75 then 'rejected'
        when sale.number % 100 < 85 then 'cancelled'
        else 'expired'
      end as outcome,
      sale.number % 7 <> 0 and (sale.number % 10 = 4 or sale.number % 1000 = 250) as in_parts,
      sale.number % 100 < 5 as may_be_refunded, sale.number % 100 < 3 as is_restocked,
      (1 + sale.number % 2) * (1 + sale.number % 3) * (500 + sale.number % 100)::bigint as total
    from generate_series(1, ${orders}::integer) as sale (number)
    join buyer on buyer.number = case when sale.number % 50 = 0 then 0 else sale.number * 7919::bigint % ${buyers}::integer end
    cross join lateral (
      select
        ${until}::timestamptz - interval '1 month' * ${MONTHS}::integer
          + (interval '1 month' * ${MONTHS}::integer) * (sale.number::float8 / ${orders}::integer) as placed_at
    ) as time
  `;
  await sql`analyze sale`;
  await sql`
    insert into orders (
      shop_id, id, buyer_id, wallet_id, payment_mode, stage, reason, currency, total, secured, refunded, payment_deadline, created_at,
      updated_at, version
    )
    select
      shop_id, id, buyer_id, wallet_id, mode, case when outcome = 'paid' and may_be_refunded then 'refunded' else outcome end,
      case outcome when 'rejected' then 'out_of_stock' when 'expired' then 'payment_window_elapsed' when 'cancelled' then 'changed my mind' end,
      'EUR', total, case when not in_parts then 0 when outcome = 'paid' then total when outcome = 'awaiting_payment' then total / 2 else 0 end,
      case when outcome = 'paid' and may_be_refunded then total else 0 end,
      placed_at + case outcome when 'awaiting_payment' then interval '400 days' else interval '15 minutes' end,
      placed_at, placed_at,
      case when outcome = 'paid' and may_be_refunded then 3 when outcome in ('rejected', 'awaiting_payment') then 1 else 2 end
    from sale
  `;
  report('  lines');
  await sql`
    insert into order_line (order_id, sku, quantity, unit_price, refunded, refunded_amount)
    select
      id,
      'SKU-' || 1 + case
        when number % 10 < 9 then (number * 7 + line * 3) % ${POPULAR_SKUS}::integer
        else (number * 31 + line * 3) % ${SKUS_OF_OTHERS}::integer
      end,
      1 + number % 3, 500 + number % 100,
      case when outcome = 'paid' and may_be_refunded then 1 + number % 3 else 0 end,
      case when outcome = 'paid' and may_be_refunded then (1 + number % 3) * (500 + number % 100) else 0 end
    from sale cross join generate_series(0, 1) as line
    where line <= number % 2
  `;
  // Some of the orders have adjustments, which come to nothing, so that totals stay as they are.
  await sql`
    insert into order_adjustment (order_id, position, kind, label, amount)
    select id, position, case position when 1 then 'fee' else 'discount' end, 'Test', case position when 1 then 10 else -10 end
    from sale cross join generate_series(1, 2) as position
    where number % 5 = 0
  `;
  // References are of one order each, but for those of the buyer of most.
  await sql`
    insert into order_detail (order_id, shop_id, buyer_id, reference)
    select id, shop_id, buyer_id, case when number % 50 = 0 then 'the same' else 'PO-' || number end
    from sale
    where number % 2 = 0
  `;
  await sql`analyze order_line, order_adjustment, order_detail`;
  report('  steps');
  await sql`
    insert into order_step (order_id, step, command_id, stage, reason, recorded_at)
    select
      id, 'reserve', ${NIL_UUID}::uuid, case outcome when 'rejected' then 'rejected' else 'awaiting_payment' end,
      case outcome when 'rejected' then 'out_of_stock' end, placed_at
    from sale
    union all
    select
      id, case when in_parts then 'settle' else 'pay' end, case when in_parts then ${NIL_UUID}::uuid else ${paymentOf(sql)} end, 'paid', null,
      placed_at + interval '2 minutes'
    from sale
    where outcome = 'paid'
    union all
    -- A payment that the wallet could not cover.
    select
      id, 'pay', overlay(id::text placing 'a' from 20 for 1)::uuid, 'awaiting_payment', 'insufficient_funds', placed_at + interval '1 minute'
    from sale
    where number % 40 = 10
    union all
    select id, 'release', ${NIL_UUID}::uuid, outcome, 'changed my mind', placed_at + interval '15 minutes'
    from sale
    where outcome in ('cancelled', 'expired')
    union all
    select id, 'refund', ${refundOf(sql)}, 'refunded', 'broken', placed_at + interval '3 days'
    from sale
    where outcome = 'paid' and may_be_refunded
    order by 6
  `;
  report('  events');
  await sql`
    insert into order_event (order_id, version, from_stage, stage, command_id, at)
    select
      id, 1, null, case outcome when 'rejected' then 'rejected' else 'awaiting_payment' end, null, placed_at
    from sale
    union all
    select
      id, 2, 'awaiting_payment', outcome, case outcome when 'expired' then null else ${paymentOf(sql)} end,
      placed_at + case outcome when 'expired' then interval '15 minutes' else interval '2 minutes' end
    from sale
    where outcome not in ('rejected', 'awaiting_payment')
    union all
    select id, 3, 'paid', 'refunded', ${refundOf(sql)}, placed_at + interval '3 days'
    from sale
    where outcome = 'paid' and may_be_refunded
    -- In the order of time, as in production: a day's events lie together.
    order by 6
  `;
  // Its trigger also runs where triggers are off. The newest events are left to be counted.
  await sql`delete from stat_pending where id <= (select max(id) from stat_pending) - 20000`;
  await fillPublished(sql);
  report('  keys of calls');
  const body = sql`
    json_build_object(
      'id', id, 'buyerId', buyer_id, 'walletId', wallet_id, 'stage', 'awaiting_payment', 'total',
      json_build_object('amount', total, 'currency', 'EUR')
    )
  `;
  await sql`
    insert into idempotency_key (
      caller, shop_id, operation, key, fingerprint, command_id, claimed_until, response_status, response_body, recorded_at, month
    )
    select
      -- The oldest are from before callers had ids.
      case when number < ${orders / 100}::integer then '' else 'key:caller-' || number % ${CALLERS}::integer end,
      shop_id, 'createOrder', 'place-' || id, encode(sha256(id::text::bytea), 'hex'), id, placed_at,
      case when number % 5000 = 1 then null when outcome = 'rejected' then 409 else 201 end,
      case when number % 5000 = 1 then null else ${body} end, placed_at, month_of(placed_at)
    from sale
    union all
    select
      'key:caller-' || number % ${CALLERS}::integer, shop_id, 'payOrder', 'pay-' || id, encode(sha256(id::text::bytea), 'hex'),
      ${paymentOf(sql)}, placed_at + interval '2 minutes', 200, ${body}, placed_at + interval '2 minutes',
      -- As its command's id, which begins as the order's.
      month_of(placed_at)
    from sale
    where outcome = 'paid'
    order by 10
  `;
  report('  money');
  await sql`
    create temporary table movement on commit drop as
    select
      overlay(id::text placing case kind when 'refund' then 'a' else '9' end from 20 for 1)::uuid as id, shop_id,
      id as order_id, case when kind = 'payment' then case mode when 'hold' then 'capture' else 'debit' end else kind end as kind, wallet_id,
      case kind when 'refund' then total else -total end as amount,
      placed_at + case kind when 'refund' then interval '3 days' else interval '2 minutes' end as moved_at
    from sale cross join (values ('payment'), ('refund')) as made (kind)
    where outcome = 'paid' and not in_parts and (kind = 'payment' or may_be_refunded)
  `;
  await sql`
    insert into movement
    select
      ('00000000-0000-7000-8000-' || lpad(to_hex(number), 12, '0'))::uuid, shop_id, null, 'deposit', wallet_id, ${FUNDS}::bigint,
      ${until}::timestamptz - interval '1 month' * (${MONTHS}::integer + 1)
    from buyer
  `;
  // What a part by wallet takes from there: see fill-payments.ts.
  await sql`
    insert into movement
    select
      overlay(id::text placing '4' from 20 for 1)::uuid, shop_id, id, 'receipt', wallet_id, -${PART_BY_WALLET}::bigint,
      placed_at + interval '2 minutes'
    from sale
    where in_parts and outcome = 'paid' and number % 3 = 0
  `;
  await sql`
    insert into transfer (shop_id, id, kind, order_id, payment_id, command_id, recorded_at)
    select
      shop_id, id, kind, order_id, case kind when 'receipt' then overlay(order_id::text placing '6' from 20 for 1)::uuid end,
      case kind when 'refund' then overlay(order_id::text placing 'c' from 20 for 1)::uuid else ${NIL_UUID}::uuid end, moved_at
    from movement
  `;
  await sql`
    insert into refund (order_id, command_id, version, shop_id, amount, currency, reason, at, transfer_id)
    select sale.id, ${refundOf(sql)}, 3, sale.shop_id, total, 'EUR', 'broken', moved_at, movement.id
    from sale join movement on movement.order_id = sale.id and kind = 'refund'
  `;
  await sql`
    insert into refund_line (order_id, command_id, sku, quantity, amount, restocked)
    select sale.id, ${refundOf(sql)}, sku, refunded, refunded_amount, is_restocked
    from sale join order_line on order_line.order_id = sale.id
    where refunded > 0
  `;
  await sql`
    insert into entry (shop_id, transfer_id, account, wallet_id, amount, currency, posted_after, held_after)
    select shop_id, id, account, entered_in, entered, 'EUR', posted_after, held_after
    from (
      select
        shop_id, id, moved_at, 'wallet' as account, wallet_id as entered_in, amount as entered,
        sum(amount) over (partition by wallet_id order by moved_at, id rows unbounded preceding) as posted_after, 0 as held_after
      from movement
      union all
      select shop_id, id, moved_at, case kind when 'deposit' then 'funding' when 'receipt' then 'clearing' else 'sales' end, null, -amount, null, null from movement
    ) as leg
    -- In the order of time, as in production.
    order by moved_at, id
  `;
  await sql`
    insert into hold (order_id, shop_id, wallet_id, amount, state)
    select
      id, shop_id, wallet_id, total, case outcome when 'paid' then 'captured' when 'awaiting_payment' then 'held' else 'voided' end
    from sale
    where mode = 'hold' and outcome <> 'rejected'
  `;
  await sql`
    insert into wallet (shop_id, id, owner_id, currency, posted, held)
    select
      buyer.shop_id, buyer.wallet_id, buyer.id, 'EUR', moved.posted, coalesce(promised.held, 0)
    from buyer
    join (select wallet_id, sum(amount) as posted from movement group by wallet_id) as moved using (wallet_id)
    left join (select wallet_id, sum(amount) as held from hold where state = 'held' group by wallet_id) as promised using (wallet_id)
  `;
  await sql`
    insert into wallet_permission (wallet_id, buyer_id)
    select wallet_id, 'friend-' || number from buyer where number % 2 = 0
  `;
  report('  payments in parts');
  await fillPayments(sql, until);
  report('  units');
  await sql`
    insert into reservation (shop_id, order_id, sku, quantity, state)
    select
      shop_id, order_id, sku, quantity, case outcome when 'paid' then 'consumed' when 'awaiting_payment' then 'held' else 'released' end
    from sale join order_line on order_line.order_id = sale.id
    where outcome <> 'rejected'
  `;
  await sql`analyze reservation, sku`;
  await sql`
    insert into stock_movement (shop_id, id, sku, kind, quantity, order_id, command_id, recorded_at)
    select shop_id, gen_random_uuid(), sku, 'return', quantity, order_id, ${refundOf(sql)}, placed_at + interval '3 days'
    from sale join order_line on order_line.order_id = sale.id
    where outcome = 'paid' and may_be_refunded and is_restocked
  `;
  await sql`
    insert into stock_movement (shop_id, id, sku, kind, quantity, recorded_at)
    select shop_id, gen_random_uuid(), sku, 'restock', 1000, ${until}
    from sku
    cross join lateral generate_series(1, case when substr(sku, 5)::integer <= ${POPULAR_SKUS}::integer then 20 else 1 end)
  `;
  await sql`
    update sku set reserved = held.quantity
    from (select shop_id, sku, sum(quantity) as quantity from reservation where state = 'held' group by shop_id, sku) as held
    where sku.shop_id = held.shop_id and sku.sku = held.sku
  `;
  await sql`
    -- What came in last makes up for what was sold.
    insert into stock_movement (shop_id, id, sku, kind, quantity, recorded_at)
    select shop_id, gen_random_uuid(), sku, 'initial', on_hand + coalesce(sold, 0) - came, ${until}::timestamptz - interval '1 month' * ${MONTHS}::integer
    from sku
    left join (select shop_id, sku, sum(quantity) as sold from reservation where state = 'consumed' group by shop_id, sku) as consumed
      using (shop_id, sku)
    join (select shop_id, sku, sum(quantity) as came from stock_movement group by shop_id, sku) as moved using (shop_id, sku)
  `;
  report('  figures');
  await sql`
    insert into stat (
      shop_id, sku, day, currency, placed, rejected, paid, cancelled, expired, refunded, revenue, refunds, units_sold, units_returned
    )
    select shop_id, sku, day, 'EUR', count(*), 0, count(*), 0, 0, 0, sum(total), 0, count(*), 0
    from (
      select shop_id, '' as sku, total, (placed_at at time zone 'UTC')::date as day from sale
      union all
      select shop_id, sku, total, (placed_at at time zone 'UTC')::date from sale join order_line on order_line.order_id = sale.id
    ) as sold
    group by shop_id, sku, day
  `;
  report('  audit and personal data');
  await fillAudit(sql);
  await fillPersonalData(sql);
  report('  what operators read');
  await fillOperations(sql, { orders, until });
  // What triggers wrote that run also where they are off.
  await sql`truncate audit_inbox`;
  report('  webhooks');
  await fillWebhooks(sql, until);
}

/** A new database has everything until now in one partition. */
async function splitMonths(sql: Queryable, until: Date): Promise<void> {
  const wide = await sql<{ name: string }[]>`
    select partition::text as name from month_partition where "from" is null and not is_default
  `;
  for (const { name } of wide) await sql`drop table ${sql(name)}`;
  await sql`
    select make_months_of(name, ${until}::timestamptz - interval '1 month' * ${MONTHS}::integer, ${MONTHS + 3}::integer)
    from partitioned_table
  `;
}

/** All but the last are published. */
async function fillPublished(sql: Queryable): Promise<void> {
  await sql`
    with taken as (
      delete from outbox where id <= (select max(id) from outbox) - 2000 returning id, order_id, version
    )
    insert into published_event (order_id, version, shop_id, sequence, type, published_at)
    select
      order_id, taken.version, orders.shop_id, row_number() over (partition by orders.shop_id order by taken.id),
      type_of_move(from_stage, order_event.stage), at
    from taken join order_event using (order_id, version) join orders on orders.id = order_id
  `;
  await sql`insert into shop_sequence (shop_id, last) select shop_id, max(sequence) from published_event group by shop_id`;
}

async function fillAudit(sql: Queryable): Promise<void> {
  await sql`
    insert into audit (
      seq, recorded_at, transaction, kind, shop_id, subject, order_id, command_id, actor, request_id, why, before, after,
      previous_hash, hash, sealed_at
    )
    select
      number, placed_at, number,
      -- Whatever is about no order is rare.
      case when number % 5000 = 1 then 'api_key' else 'order' end, shop_id,
      case when number % 5000 = 1 then 'key-' || number else id::text end, case when number % 5000 = 1 then null else id end,
      id, 'key:caller-' || number % ${CALLERS}::integer, id::text, null, null, json_build_object('stage', outcome, 'version', 1),
      encode(sha256((number - 1)::text::bytea), 'hex'), encode(sha256(number::text::bytea), 'hex'), placed_at
    from sale
    order by number
  `;
  await sql`
    update audit_head set seq = number, hash = encode(sha256(number::text::bytea), 'hex')
    from (select max(number) as number from sale) as last
  `;
}

/** The bytes are no secrets: nobody reads them. */
async function fillPersonalData(sql: Queryable): Promise<void> {
  await sql`
    insert into buyer_key (shop_id, buyer_id, id, wrapped, wrapping_key)
    select shop_id, id, wallet_id, decode(repeat('ab', 60), 'hex'), case when number % 100 = 7 then 'old' else 'new' end from buyer
  `;
  await sql`
    insert into personal_data (order_id, shop_id, buyer_id, buyer_key_id, contact, email_index, index_key)
    select
      id, shop_id, buyer_id, wallet_id, decode(repeat('ab', 90), 'hex'), sha256(buyer_id::bytea),
      case when number % 1000 = 7 then 'old' else 'new' end
    from sale
    where number % 2 = 0
  `;
}

/** The command that paid an order. */
const paymentOf = (sql: Queryable) => sql`overlay(id::text placing 'b' from 20 for 1)::uuid`;
/** The command of an order's refund. */
const refundOf = (sql: Queryable) => sql`overlay(sale.id::text placing 'c' from 20 for 1)::uuid`;

async function fillOperations(
  sql: Queryable,
  { orders, until }: Pick<Filling, 'orders' | 'until'>,
): Promise<void> {
  await sql`
    insert into attention (workflow_id, raised_at, order_id, shop_id, step, reason, cleared_at)
    select
      'order-' || id, placed_at, id, shop_id, 'pay', 'payment_failing',
      case when number % 10000 <> 20 then placed_at + interval '1 hour' end
    from sale
    where number % 40 = 20
  `;
  await sql`
    insert into intervention (workflow_id, update_id, order_id, shop_id, action, actor, reason, step, at)
    select 'order-' || id, 'retry', id, shop_id, 'retry_now', 'somebody', 'the network is back', 'pay', placed_at
    from sale
    where number % 40 = 20
  `;
  const subject = sql`case number % 3 when 0 then id::text when 1 then wallet_id::text else shop_id || '/SKU-' || number % 1000 end`;
  await sql`
    insert into finding (id, kind, subject, order_id, shop_id, finding, first_seen, last_seen, state, ended_at)
    select
      overlay(id::text placing 'd' from 20 for 1)::uuid,
      case number % 3 when 0 then 'order_inconsistent' when 1 then 'wallet_counter_wrong' else 'stock_counter_wrong' end,
      ${subject}, case number % 3 when 0 then id end, shop_id, 'is not as it should be', placed_at, placed_at,
      case when number % 10000 = 30 then 'open' when number % 80 = 30 then 'repaired' else 'gone' end,
      case when number % 10000 <> 30 then placed_at + interval '1 hour' end
    from sale
    where number % 40 = 30
    on conflict do nothing
  `;
  await sql`
    insert into repair (finding_id, before, after, at)
    select id, '{"posted":1}', '{"posted":2}', ended_at from finding where state = 'repaired'
  `;
  await sql`
    insert into measurement (minute, name, value, subjects, at)
    select minute, name, 0, '[]', minute
    from generate_series(
      date_trunc('minute', ${until}::timestamptz) - interval '1 minute' * ${Math.ceil(orders / MEASURES.length)}::integer,
      date_trunc('minute', ${until}::timestamptz),
      interval '1 minute'
    ) as minute
    cross join jsonb_array_elements_text(${JSON.stringify(MEASURES)}::text::jsonb) as name
  `;
  await sql`
    insert into alert (id, name, opened_at, closed_at, threshold, value, worst, subjects)
    select
      overlay(id::text placing 'e' from 20 for 1)::uuid, split_part(${MEASURES.join(',')}, ',', 1 + number / 100 % ${MEASURES.length}::integer),
      placed_at, placed_at + interval '1 hour', 1, 2, 2, '[]'
    from sale
    where number % 100 = 40
  `;
  await sql`
    insert into alert_notice (alert_id, event, at, value, subjects)
    select id, event, opened_at, 2, '[]' from alert cross join (values ('opened'), ('closed')) as made (event)
  `;
  await sql`insert into alert_receiver (receiver) values ('webhook')`;
  await sql`
    insert into alert_delivery (alert_id, event, receiver, delivered_at)
    select alert_id, event, 'webhook', at from alert_notice
  `;
  await sql`
    insert into api_key (id, shop_id, name, roles, created_at, created_by, expires_at)
    select
      substr(translate(encode(sha256(number::text::bytea), 'hex'), '0189', 'wxyz'), 1, 12), case number % 2 when 0 then 'main' when 1 then 'shop-' || 2 + number % ${SHOPS - 1}::integer end,
      'till ' || number, 'merchant', ${until}::timestamptz - interval '1 minute' * number, 'key:caller-1',
      case when number % 2 = 0 then ${until}::timestamptz + interval '1 year' end
    from generate_series(1, ${Math.ceil(orders / 40)}::integer) as number
  `;
  await sql`
    insert into api_key_secret (hash, key_id, created_at)
    select encode(sha256((id || secret)::bytea), 'hex'), id, created_at from api_key cross join generate_series(1, 2) as secret
  `;
  await sql`
    insert into rate_limit (key, points, expires_at)
    select 'reads 600/60000 key:' || id, 1, ${until}::timestamptz + interval '1 minute' from api_key
  `;
  await sql`
    insert into admission_ticket (caller, key, due)
    select 'key:caller-' || number % ${CALLERS}::integer, 'place-' || id, ${until}::timestamptz + interval '1 minute'
    from sale
    where number % 40 = 33
  `;
}
