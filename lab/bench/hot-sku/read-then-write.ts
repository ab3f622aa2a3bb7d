/** The technique that others are compared with: a reservation as one usually writes it. */
import type { Database } from '../../../db/connection.ts';
import type { Queryable } from '../../../db/postgres.ts';
import type { PlacedOrder, StepResult } from '../../../db/steps/step.ts';
import type { RejectionReason } from '../../../domain/order.ts';

interface Stock {
  sku: string;
  price: number;
  currency: string;
  available: number;
}

/**
 * Runs a transaction that locks what it reads, compares in code, and writes one table after the
 * other. It keeps the promises of the one statement (key, all or nothing, no unit sold twice) and locks as late as it can. For orders
 * in `debit` mode.
 */
export const readThenWrite = (database: Database, order: PlacedOrder): Promise<StepResult> =>
  database.transaction((transaction) => reserveIn(transaction, order));

async function reserveIn(sql: Queryable, order: PlacedOrder): Promise<StepResult> {
  const { orderId, buyerId, walletId, paymentMode, paymentDeadline, at } = order;
  const recorded = () => sql<StepResult[]>`
    select stage, reason, null as refusal from order_step where order_id = ${orderId} and step = 'reserve'
  `;
  const [before] = await recorded();
  if (before) return before;

  const [wallet] = await sql<{ currency: string }[]>`select currency from wallet where id = ${walletId}`;
  const lines = sumBySku(order.lines);
  const stock = await sql<Stock[]>`
    select sku, price, currency, on_hand - reserved as available
    from sku
    where shop_id = 'main' and sku in ${sql([...lines.keys()])}
    order by sku
    for update
  `;
  const reason = findReason(wallet?.currency, lines, stock);
  const stage = reason === null ? 'awaiting_payment' : 'rejected';
  const total = stock.reduce((sum, { sku, price }) => sum + price * (lines.get(sku) ?? 0), 0);

  // Order and event refer to each other, so they take one statement.
  await sql`
    with event as (
      insert into order_event (order_id, version, stage, reason, at) values (${orderId}, 1, ${stage}, ${reason}, ${at})
    )
    insert into orders (
      shop_id, id, buyer_id, wallet_id, payment_mode, stage, reason, currency, total,
      payment_deadline, created_at, updated_at, version
    )
    values ('main', 
      ${orderId}, ${buyerId}, ${walletId}, ${paymentMode}, ${stage}, ${reason}, ${wallet?.currency ?? null}, ${total},
      ${paymentDeadline}, ${at}, ${at}, 1
    )
  `;
  await sql`
    insert into order_step (order_id, step, stage, reason) values (${orderId}, 'reserve', ${stage}, ${reason})
  `;
  for (const [sku, quantity] of lines) {
    const price = stock.find((row) => row.sku === sku)?.price ?? null;
    await sql`
      insert into order_line (order_id, sku, quantity, unit_price) values (${orderId}, ${sku}, ${quantity}, ${price})
    `;
    if (reason === null) {
      await sql`update sku set reserved = reserved + ${quantity}::bigint where shop_id = 'main' and sku = ${sku}`;
      await sql`
        insert into reservation (shop_id, order_id, sku, quantity, state) values ('main', ${orderId}, ${sku}, ${quantity}, 'held')
      `;
    }
  }
  return { stage, reason, refusal: null };
}

/** The same SKU on two lines is one reservation. */
function sumBySku(lines: PlacedOrder['lines']): Map<string, number> {
  const quantities = new Map<string, number>();
  for (const { sku, quantity } of lines) quantities.set(sku, (quantities.get(sku) ?? 0) + quantity);
  return quantities;
}

function findReason(
  currency: string | undefined,
  lines: ReadonlyMap<string, number>,
  stock: readonly Stock[],
): RejectionReason | null {
  if (currency === undefined) return 'unknown_wallet';
  if (stock.length < lines.size) return 'unknown_sku';
  if (stock.some((row) => row.currency !== currency)) return 'currency_mismatch';
  if (stock.some((row) => row.available < (lines.get(row.sku) ?? 0))) return 'out_of_stock';
  return null;
}
