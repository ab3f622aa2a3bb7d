/** The reserve step: takes the units, and in `hold` mode the money, of one order or of many in one statement. */
import { MAIN_SHOP } from '../../domain/shops.ts';
import type { Database } from '../connection.ts';
import type { Fragment, Queryable } from '../postgres.ts';
import { decideInTurn, demandOfEach } from './reserve-decide.ts';
import { claimDecided, holdMoney, recordOrders, takeUnits } from './reserve-record.ts';
import { termsOf, type Terms } from './reserve-terms.ts';
import { runStep, type PlacedOrder, type StepResult } from './step.ts';

/**
 * Reserves every line of an order or none, and in `hold` mode the money too.
 * Leads to `awaiting_payment`, or to `rejected` with a rejection reason; to `cancelled` when the order was cancelled first.
 * @throws as {@link runStep} does.
 */
export const reserve = (database: Database, order: PlacedOrder): Promise<StepResult> =>
  runStep(database, order.orderId, async (sql) => {
    const rows = await reserveInTurn(sql, [order], 'wait for wallets');
    return rows.map((row) => resultOf(order, row));
  });

/**
 * Does what {@link reserve} does for many orders in one statement: all-or-nothing for each order, first come first served.
 * Returns what is recorded, by order id. An order that is missing there is undecided and left no trace, because a twin attempt or the
 * wallet's lock was in the way, and must be run again alone.
 * @param orders in order of arrival, each id once. A second one with the same id would make the statement fail as a whole.
 * @throws when PostgreSQL refuses one of the orders or is unavailable. Then none is reserved.
 */
export async function reserveAll(
  database: Database,
  orders: readonly PlacedOrder[],
): Promise<ReadonlyMap<string, StepResult>> {
  const rows = await database.run(({ sql }) => reserveInTurn(sql, orders, 'skip locked wallets'));
  const results = new Map<string, StepResult>();
  for (const row of rows) {
    const order = orders[row.place];
    if (order) results.set(order.orderId, resultOf(order, row));
  }
  return results;
}

interface Row extends Pick<StepResult, 'stage' | 'reason'> {
  place: number;
  /** Of an order that was recorded before. */
  deadline: Date | null;
  /** Null for an order without a price. */
  amount: number | null;
  currency: string | null;
}

type WhenWalletLocked = 'wait for wallets' | 'skip locked wallets';

/**
 * The statement of both. `place` is an order's position in order of arrival, from 0.
 *
 * It looks rows up through laterals instead of joins, so that it uses the indexes, and reads in key order, even when it was planned
 * while the tables were empty.
 */
function reserveInTurn(
  sql: Queryable,
  orders: readonly PlacedOrder[],
  whenLocked: WhenWalletLocked,
): PromiseLike<readonly Row[]> {
  const terms = termsOf(sql, orders);
  return sql<Row[]>`
    with recursive
    ${readRequests(sql, orders, terms)},
    ${lockRows(sql, whenLocked)},
    ${demandOfEach(sql, terms)},
    ${decideInTurn(sql)},
    ${claimDecided(sql)},
    ${recordOrders(sql, terms)},
    ${takeUnits(sql)},
    ${holdMoney(sql)}
    select place, stage, refusal as reason, null as deadline, total as amount, order_currency as currency from claim
    union all
    select place, recorded_stage, recorded_reason, recorded_deadline, recorded_total, recorded_currency from request where not is_new
  `;
}

/** What is asked for, and which orders are recorded already? */
function readRequests(sql: Queryable, orders: readonly PlacedOrder[], terms: Terms): Fragment {
  const requests = JSON.stringify(
    orders.map(({ lines: _, adjustments: __, shopId = MAIN_SHOP, ...order }, place) => ({
      ...order,
      shopId,
      place,
    })),
  );
  // Next to the orders and not inside them: the planner expects 100 rows of each JSON, and would expect 100 times 100.
  const lines = JSON.stringify(
    orders.flatMap((order, place) =>
      order.lines.map(({ sku, quantity, expectedPrice }) => ({ place, sku, quantity, expectedPrice })),
    ),
  );
  return sql`
    ${terms.parts}
    request as materialized (
      select
        place, "orderId" as order_id, "shopId" as shop_id, "buyerId" as buyer_id, "walletId" as wallet_id, "paymentMode" as payment_mode,
        "paymentDeadline" as payment_deadline, at, payer.currency, payer.is_allowed,
        recorded.stage is null as is_new, recorded.stage as recorded_stage, recorded.reason as recorded_reason,
        recorded.payment_deadline as recorded_deadline, recorded.total as recorded_total, recorded.currency as recorded_currency
        ${terms.requestColumns}
      from jsonb_to_recordset(${requests}::jsonb) as request (
        place integer, "orderId" uuid, "shopId" text, "buyerId" text, "walletId" uuid, "paymentMode" text,
        "paymentDeadline" timestamptz, at timestamptz ${terms.requestTypes}
      )
      left join lateral (
        -- A wallet's currency and owner never change, so it needs no lock. A wallet of another shop is none.
        select
          currency,
          owner_id = "buyerId"
          or exists (
            select from wallet_permission
            where wallet_permission.wallet_id = wallet.id and wallet_permission.buyer_id = "buyerId"
          ) as is_allowed
        from wallet
        where id = "walletId" and wallet.shop_id = "shopId"
        limit 1
      ) as payer on true
      left join lateral (
        -- The order's current stage, not the one it had then: a workflow that was reset need not wait for what has already happened.
        select stage, reason, payment_deadline, total, currency from orders where id = "orderId" limit 1
      ) as recorded on true
    ),
    line as materialized (
      -- The same SKU on two lines is one reservation. An order that is recorded already takes nothing again.
      select place, request.shop_id, line.sku, sum(line.quantity)::bigint as quantity ${terms.lineColumns}
      from jsonb_to_recordset(${lines}::jsonb) as line (place integer, sku text, quantity bigint ${terms.lineTypes})
      join request using (place)
      where is_new
      group by place, request.shop_id, line.sku
    )`;
}

/** Which rows may change? They are locked in the order of all steps: SKUs in key order, then wallets. */
const lockRows = (sql: Queryable, whenLocked: WhenWalletLocked): Fragment => sql`
  locked_sku as materialized (
    select locked.*
    from (select distinct shop_id, sku from line order by shop_id, sku) as wanted
    cross join lateral (
      select shop_id, sku, price, currency, on_hand, reserved from sku
      where shop_id = wanted.shop_id and sku = wanted.sku
      for no key update
    ) as locked
  ),
  locked_wallet as materialized (
    -- Only a hold changes its wallet now. In a batch, an order whose wallet is locked does not make the others wait: they would all
    -- fail when it stays locked.
    select locked.*
    from (
      select distinct wallet_id as id
      from request
      where is_new and payment_mode = 'hold' and is_allowed and (select count(*) from locked_sku) >= 0
      order by id
    ) as wanted
    cross join lateral (
      select id, posted, held from wallet where id = wanted.id for no key update
      ${whenLocked === 'skip locked wallets' ? sql`skip locked` : sql``}
    ) as locked
  )`;

function resultOf(order: PlacedOrder, { stage, reason, deadline, amount, currency }: Row): StepResult {
  const recorded = deadline?.toISOString() ?? order.paymentDeadline;
  const total = stage !== 'rejected' &&
    amount !== null &&
    currency !== null && { total: { amount, currency } };
  const result = { stage, reason, refusal: null, ...total };
  return recorded === order.paymentDeadline ? result : { ...result, paymentDeadline: recorded };
}
