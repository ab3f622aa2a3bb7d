import type { Database } from '../connection.ts';
import type { Sql } from '../postgres.ts';
import { TOTAL_LIMIT } from '../../domain/limits.ts';
import { runStep, type PlacedOrder, type StepResult } from './step.ts';

/**
 * Reserves every line of an order or none, and in `hold` mode the money too.
 * Leads to `awaiting_payment`, or to `rejected` with a rejection reason; to `cancelled` when the order was abandoned first.
 * @throws as {@link runStep} does.
 */
export function reserve(database: Database, order: PlacedOrder): Promise<StepResult> {
  return runStep(database, order.orderId, async (sql) => {
    const results = await reserveInTurn(sql, [order], 'wait for wallets');
    return [...results.values()];
  });
}

/**
 * Does what {@link reserve} does for many orders in one statement: all-or-nothing for each order, first come first served.
 * Returns what is recorded, by order id. An order that is missing there is undecided and left no trace, either because a
 * twin attempt or the wallet's lock was in the way, and has to be run again, by itself.
 * @param orders in order of arrival, each id once. A second one with the same id would make the statement fail as a whole.
 * @throws when PostgreSQL refuses one of the orders or is away. Then none is reserved.
 */
export function reserveAll(
  database: Database,
  orders: readonly PlacedOrder[],
): Promise<ReadonlyMap<string, StepResult>> {
  return database.run(({ sql }) => reserveInTurn(sql, orders, 'skip locked wallets'));
}

interface Row extends Pick<StepResult, 'stage' | 'reason'> {
  place: number;
  /** Of an order that was recorded before. */
  deadline: string | null;
}

/**
 * The statement of both. `place` is an order's position in order of arrival, from 0.
 *
 * It looks rows up through laterals instead of joins, so that it stays with the indexes, and in key order, also when it was
 * planned while the tables were empty.
 */
async function reserveInTurn(
  sql: Sql,
  orders: readonly PlacedOrder[],
  wallets: 'wait for wallets' | 'skip locked wallets',
): Promise<Map<string, StepResult>> {
  const requests = JSON.stringify(orders.map(({ lines: _, ...order }, place) => ({ ...order, place })));
  // Beside the orders and not inside them: the planner expects 100 rows of each JSON, and would expect 100 times 100.
  const lines = JSON.stringify(
    orders.flatMap((order, place) => order.lines.map(({ sku, quantity }) => ({ place, sku, quantity }))),
  );
  const whenLocked = wallets === 'skip locked wallets' ? sql`skip locked` : sql``;
  const rows = await sql<Row[]>`
    with recursive request as materialized (
      select
        place, "orderId" as order_id, "buyerId" as buyer_id, "walletId" as wallet_id, "paymentMode" as payment_mode,
        "paymentDeadline" as payment_deadline, at, buyer.currency,
        recorded.stage is null as is_new, recorded.stage as recorded_stage, recorded.reason as recorded_reason,
        recorded.payment_deadline as recorded_deadline
      from jsonb_to_recordset(${requests}::jsonb) as request (
        place integer, "orderId" uuid, "buyerId" text, "walletId" uuid, "paymentMode" text,
        "paymentDeadline" timestamptz, at timestamptz
      )
      -- A wallet's currency never changes, so it needs no lock.
      left join lateral (select currency from wallet where id = "walletId" limit 1) as buyer on true
      left join lateral (
        -- How it stands, and not how it stood then: a workflow that was reset need not wait for what has happened.
        select stage, reason, payment_deadline from orders where id = "orderId" limit 1
      ) as recorded on true
    ),
    line as materialized (
      -- The same SKU on two lines is one reservation. An order that is recorded already takes nothing again.
      select place, line.sku, sum(line.quantity)::bigint as quantity
      from jsonb_to_recordset(${lines}::jsonb) as line (place integer, sku text, quantity bigint)
      join request using (place)
      where is_new
      group by place, line.sku
    ),
    stock as materialized (
      select locked.*
      from (select distinct sku from line order by sku) as wanted
      cross join lateral (
        select sku, price, currency, on_hand, reserved from sku where sku = wanted.sku for no key update
      ) as locked
    ),
    purse as materialized (
      -- Only a hold changes the wallet now. Counting the SKUs makes them be locked before it. Of many orders, the one whose
      -- wallet is locked does not make the others wait, who would all fail when it stays locked.
      select locked.*
      from (
        select distinct wallet_id as id
        from request
        where is_new and payment_mode = 'hold' and (select count(*) from stock) >= 0
        order by id
      ) as wanted
      cross join lateral (
        select id, posted, held from wallet where id = wanted.id for no key update ${whenLocked}
      ) as locked
    ),
    priced as materialized (
      -- Numeric: one line may come to more than int8 holds, and would make the statement fail for all orders in it.
      select line.place, line.sku, line.quantity, stock.price, stock.currency, line.quantity::numeric * stock.price as amount
      from line left join stock using (sku)
    ),
    demand as materialized (
      -- Each order without regard to the others. One without lines is recorded already, or can never be decided.
      select
        place, order_id,
        case payment_mode when 'hold' then wallet_id::text end as payer,
        case
          when count(priced.place) = 0 then 'undecided'
          when request.currency is null then 'unknown_wallet'
          when bool_or(priced.price is null) then 'unknown_sku'
          when bool_or(priced.currency <> request.currency) then 'currency_mismatch'
          when sum(priced.amount) > ${TOTAL_LIMIT} then 'total_limit_exceeded'
        end as refusal,
        case
          when bool_and(priced.currency is not distinct from request.currency) and sum(priced.amount) <= ${TOTAL_LIMIT}
            then sum(priced.amount)::bigint
        end as total,
        case when bool_and(priced.currency is not distinct from request.currency) then request.currency end as currency,
        jsonb_object_agg(priced.sku, priced.quantity) filter (where priced.sku is not null) as units
      from request left join priced using (place)
      group by place, order_id, payment_mode, wallet_id, request.currency
    ),
    decided (place, order_id, refusal, total, currency, units, funds) as (
      -- One order after the other, on what those before it have left of each SKU and of each wallet.
      select
        -1, null::uuid, 'undecided', null::bigint, null::text,
        (select jsonb_object_agg(sku, on_hand - reserved) from stock),
        (select jsonb_object_agg(id, posted - held) from purse)
      union all
      select
        next.place, next.order_id, verdict.refusal, next.total, next.currency,
        case when verdict.refusal is null then decided.units || rest.units else decided.units end,
        case
          when verdict.refusal is null and next.payer is not null
            then decided.funds || jsonb_build_object(next.payer, (decided.funds ->> next.payer)::bigint - next.total)
          else decided.funds
        end
      from decided
      -- All orders as one array, read once: joining them would go through all of them at every turn.
      cross join lateral (
        select (select jsonb_agg(demand order by place) from demand) -> (decided.place + 1) as demand
      ) as turn
      cross join lateral jsonb_to_record(turn.demand) as next (
        place integer, order_id uuid, payer text, refusal text, total bigint, currency text, units jsonb
      )
      cross join lateral (
        select
          bool_or((decided.units ->> sku)::bigint < quantity::bigint) as is_short,
          jsonb_object_agg(sku, (decided.units ->> sku)::bigint - quantity::bigint) as units
        from jsonb_each(next.units) as wanted (sku, quantity)
      ) as rest
      cross join lateral (
        select
          case
            when next.refusal is not null then next.refusal
            when rest.is_short then 'out_of_stock'
            -- The wallet is locked and was skipped.
            when next.payer is not null and decided.funds ->> next.payer is null then 'undecided'
            when (decided.funds ->> next.payer)::bigint < next.total then 'insufficient_funds'
          end as refusal
      ) as verdict
      where next.place is not null
    ),
    granted as (
      -- In key order, as all claims: twin attempts of the same orders wait for each other here and must not deadlock.
      insert into order_step (order_id, step, stage)
      select order_id, 'reserve', 'awaiting_payment' from decided where refusal is null order by order_id
      on conflict do nothing
      returning order_id
    ),
    refused as (
      -- A twin attempt that committed after this statement's snapshot and before its locks has the key of an order that was
      -- decided here and has taken its units, too. Whoever came after it may have been refused for units that nobody takes,
      -- so a refusal counts only when every order that was granted could be claimed. An abandoned order is such a twin.
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
    ),
    taken as materialized (
      select claim.order_id, priced.sku, priced.quantity
      from claim join priced using (place)
      where is_granted
    ),
    placed as (
      insert into orders (
        id, buyer_id, wallet_id, payment_mode, stage, reason, currency, total,
        payment_deadline, created_at, updated_at, version
      )
      select
        order_id, buyer_id, wallet_id, payment_mode, stage, refusal, order_currency, total,
        payment_deadline, at, at, 1
      from claim
    ),
    placed_line as (
      insert into order_line (order_id, sku, quantity, unit_price)
      select claim.order_id, priced.sku, priced.quantity, priced.price
      from claim join priced using (place)
    ),
    event as (
      insert into order_event (order_id, version, stage, reason, at)
      select order_id, 1, stage, refusal, at from claim
    ),
    promised_units as (
      update sku set on_hand = stock.on_hand, reserved = stock.reserved + promised.quantity
      from (select sku, sum(quantity)::bigint as quantity from taken group by sku) as promised join stock using (sku)
      where sku.sku = promised.sku
    ),
    reserved as (
      insert into reservation (order_id, sku, quantity, state)
      select order_id, sku, quantity, 'held' from taken
    ),
    promised_money as (
      update wallet set posted = purse.posted, held = purse.held + promised.amount
      from (
        select wallet_id as id, sum(total)::bigint as amount
        from claim
        where is_granted and payment_mode = 'hold'
        group by wallet_id
      ) as promised
      join purse using (id)
      where wallet.id = promised.id
    ),
    held as (
      insert into hold (order_id, wallet_id, amount, state)
      select order_id, wallet_id, total, 'held'
      from claim
      where is_granted and payment_mode = 'hold'
    )
    select place, stage, refusal as reason, null as deadline from claim
    union all
    select place, recorded_stage, recorded_reason, recorded_deadline::text from request where not is_new
  `;
  const results = new Map<string, StepResult>();
  for (const row of rows) {
    const order = orders[row.place];
    if (order) results.set(order.orderId, resultOf(order, row));
  }
  return results;
}

function resultOf(order: PlacedOrder, { stage, reason, deadline }: Row): StepResult {
  const recorded = deadline === null ? order.paymentDeadline : new Date(deadline).toISOString();
  const result = { stage, reason, refusal: null };
  return recorded === order.paymentDeadline ? result : { ...result, paymentDeadline: recorded };
}
