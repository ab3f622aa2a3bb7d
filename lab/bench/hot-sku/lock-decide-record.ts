/**
 * Reservations as one transaction: lock what the orders need in one statement, decide in code, record in one statement. It keeps the
 * promises of the one statement. BEGIN goes out with the first statement and COMMIT with the second, so it takes two round trips
 * instead of one, and keeps the rows locked between them: a process that dies there keeps them until PostgreSQL ends its session.
 */
import type { DatabasePool } from '../../../db/connection.ts';
import type { Queryable } from '../../../db/postgres.ts';
import type { PlacedOrder, StepResult } from '../../../db/steps/step.ts';
import { decideReservations, type Decision, type LockedSku, type LockedWallet } from './decide.ts';

type WhenLocked = 'wait for wallets' | 'skip locked wallets';

/** Does what `reserve` does. */
export async function lockDecideRecord(database: DatabasePool, order: PlacedOrder): Promise<StepResult> {
  const reserve = async () =>
    (await reserveInTransaction(database, [order], 'wait for wallets')).get(order.orderId);
  // Undecided: a twin attempt took the key after the order was read. The next transaction finds it.
  const result = (await reserve()) ?? (await reserve());
  if (result) return result;
  throw new Error(`Order ${order.orderId} cannot be decided.`);
}

/** Does what `reserveAll` does. */
export const lockDecideRecordAll = (
  database: DatabasePool,
  orders: readonly PlacedOrder[],
): Promise<ReadonlyMap<string, StepResult>> => reserveInTransaction(database, orders, 'skip locked wallets');

function reserveInTransaction(
  database: DatabasePool,
  orders: readonly PlacedOrder[],
  whenLocked: WhenLocked,
): Promise<ReadonlyMap<string, StepResult>> {
  return database.run(async ({ sql }) => {
    const session = await sql.reserve();
    try {
      const [, { recorded, skus, wallets }] = await Promise.all([
        session.unsafe('begin'),
        lock(session, orders, whenLocked),
      ]);
      const undecided = orders.filter(({ orderId }) => !recorded.has(orderId));
      const decisions = decideReservations(undecided, skus, wallets);
      // After an error, COMMIT rolls back.
      const [claimed] = await Promise.all([record(session, decisions), session.unsafe('commit')]);
      return results(recorded, claimed);
    } catch (error) {
      await session.unsafe('rollback').catch(() => {});
      throw error;
    } finally {
      session.release();
    }
  });
}

function results(recorded: ReadonlyMap<string, StepResult>, claimed: readonly Claimed[]) {
  return new Map([
    ...recorded,
    ...claimed.map(({ orderId, ...result }): [string, StepResult] => [orderId, result]),
  ]);
}

interface Claimed extends StepResult {
  orderId: string;
}

interface Locked {
  recorded: Claimed[] | null;
  skus: LockedSku[] | null;
  wallets: LockedWallet[] | null;
}

async function lock(sql: Queryable, orders: readonly PlacedOrder[], whenLocked: WhenLocked) {
  const requests = JSON.stringify(
    orders.map(({ orderId, walletId, paymentMode }, place) => ({ place, orderId, walletId, paymentMode })),
  );
  const lines = JSON.stringify(
    orders.flatMap((order, place) => order.lines.map(({ sku }) => ({ place, sku }))),
  );
  const [locked] = await sql<Locked[]>`
    with request as materialized (
      select request.*, recorded.stage, recorded.reason
      from jsonb_to_recordset(${requests}::jsonb) as request (place integer, "orderId" uuid, "walletId" uuid, "paymentMode" text)
      left join lateral (
        select stage, reason from orders where id = "orderId" limit 1
      ) as recorded on true
    ),
    locked_sku as materialized (
      select locked.*
      from (
        select distinct line.sku
        from jsonb_to_recordset(${lines}::jsonb) as line (place integer, sku text) join request using (place)
        where stage is null
        order by sku
      ) as wanted
      cross join lateral (
        select sku, price, currency, on_hand - reserved as available from sku
        where shop_id = 'main' and sku = wanted.sku
        for no key update
      ) as locked
    ),
    payer as materialized (
      select distinct "walletId" as id from request
      where stage is null and "paymentMode" = 'hold' and (select count(*) from locked_sku) >= 0
      order by id
    ),
    locked_wallet as materialized (
      select locked.*
      from payer
      cross join lateral (
        select id, posted - held as available from wallet where id = payer.id
        for no key update ${whenLocked === 'skip locked wallets' ? sql`skip locked` : sql``}
      ) as locked
    ),
    buyer as (
      select distinct on ("walletId") "walletId" as id, currency
      from request cross join lateral (select currency from wallet where id = "walletId" limit 1) as wallet
      where stage is null
    )
    select
      (
        select jsonb_agg(jsonb_build_object('orderId', "orderId", 'stage', stage, 'reason', reason, 'refusal', null))
        from request where stage is not null
      ) as recorded,
      (select jsonb_agg(locked_sku) from locked_sku) as skus,
      (
        select jsonb_agg(jsonb_build_object('id', id, 'currency', currency, 'available', available))
        from buyer left join locked_wallet using (id)
      ) as wallets
  `;
  return {
    recorded: new Map((locked?.recorded ?? []).map(({ orderId, ...result }) => [orderId, result])),
    skus: locked?.skus ?? [],
    wallets: locked?.wallets ?? [],
  };
}

function record(sql: Queryable, decisions: readonly Decision[]) {
  const decided = JSON.stringify(
    decisions.map(({ order: { lines: _lines, ...order }, lines: _priced, ...decision }, place) => ({
      place,
      ...order,
      ...decision,
    })),
  );
  const lines = JSON.stringify(
    decisions.flatMap((decision, place) => decision.lines.map((line) => ({ place, ...line }))),
  );
  return sql<Claimed[]>`
    with decided as materialized (
      select *
      from jsonb_to_recordset(${decided}::jsonb) as decided (
        place integer, "orderId" uuid, "buyerId" text, "walletId" uuid, "paymentMode" text, "paymentDeadline" timestamptz,
        at timestamptz, stage text, reason text, total bigint, currency text
      )
    ),
    granted as (
      insert into order_step (order_id, step, stage)
      select "orderId", 'reserve', stage from decided where reason is null order by "orderId"
      on conflict do nothing
      returning order_id
    ),
    refused as (
      insert into order_step (order_id, step, stage, reason)
      select "orderId", 'reserve', stage, reason
      from decided
      where reason is not null and (select count(*) from granted) = (select count(*) from decided where reason is null)
      order by "orderId"
      on conflict do nothing
      returning order_id
    ),
    claim as materialized (
      select decided.*
      from (select order_id from granted union all select order_id from refused) as claimed
      join decided on decided."orderId" = claimed.order_id
    ),
    placed_line as materialized (
      select claim."orderId" as order_id, claim.reason is null as is_granted, line.*
      from jsonb_to_recordset(${lines}::jsonb) as line (place integer, sku text, quantity bigint, price bigint)
      join claim using (place)
    ),
    placed as (
      insert into orders (
        shop_id, id, buyer_id, wallet_id, payment_mode, stage, reason, currency, total,
        payment_deadline, created_at, updated_at, version
      )
      select
        'main', "orderId", "buyerId", "walletId", "paymentMode", stage, reason, currency, total, "paymentDeadline", at, at, 1
      from claim
    ),
    lines as (
      insert into order_line (order_id, sku, quantity, unit_price) select order_id, sku, quantity, price from placed_line
    ),
    event as (
      insert into order_event (order_id, version, stage, reason, at) select "orderId", 1, stage, reason, at from claim
    ),
    promised_units as (
      update sku set reserved = reserved + promised.quantity
      from (
        select sku, sum(quantity)::bigint as quantity from placed_line where is_granted group by sku
      ) as promised
      where sku.shop_id = 'main' and sku.sku = promised.sku
    ),
    reserved as (
      insert into reservation (shop_id, order_id, sku, quantity, state)
      select 'main', order_id, sku, quantity, 'held' from placed_line where is_granted
    ),
    promised_money as (
      update wallet set held = held + promised.amount
      from (
        select "walletId" as id, sum(total)::bigint as amount
        from claim
        where reason is null and "paymentMode" = 'hold'
        group by "walletId"
      ) as promised
      where wallet.id = promised.id
    ),
    held as (
      insert into hold (shop_id, order_id, wallet_id, amount, state)
      select 'main', "orderId", "walletId", total, 'held' from claim where reason is null and "paymentMode" = 'hold'
    )
    select "orderId", stage, reason, null as refusal from claim
  `;
}
