/** Months of orders' events to be dropped. They are months to come, so that no test waits for one to be old: the floor is lowered. */
import { v7 as uuidv7 } from 'uuid';
import type { Database } from '../../db/connection.ts';
import type { Sql } from '../../db/postgres.ts';
import { pay } from '../../db/steps/pay.ts';
import { refund } from '../../db/steps/refund.ts';
import { release } from '../../db/steps/release.ts';
import { reserve } from '../../db/steps/reserve.ts';
import { publishEvents } from '../../db/events/publish.ts';
import { countPending } from '../../db/stats/count.ts';
import { fundedWallet, stockedSku } from './stock.ts';

export interface MonthDrop {
  /** Null for a month that stays. */
  dropped: string | null;
  rows: number | null;
  /** Why it stays. */
  kept: string | null;
}

/** What is published of events goes with them. */
const IN_SAME_MONTHS = ['order_event', 'published_event'];

/** Makes the months of orders' events, and of what is published of them, from this time on. */
export async function makeEventMonths(sql: Sql, at: Date, ahead: number): Promise<void> {
  for (const table of IN_SAME_MONTHS) await sql`select from make_months_of(${table}, ${at}, ${ahead})`;
}

/** Counts and publishes every event: a month with one that is not stays. */
export async function settleEvents(database: Database): Promise<void> {
  await countPending(database, 20_000);
  await publishAll(database);
}

export async function publishAll(database: Database): Promise<void> {
  while ((await publishEvents(database)).length > 0);
}

/** Drops the oldest month of orders' events that ended before this time, however young it is, and says which months stay. */
export async function dropMonth(sql: Sql, before: Date): Promise<MonthDrop[]> {
  await sql`update partitioned_table set floor = '-10 years' where name in ${sql(IN_SAME_MONTHS)}`;
  const months = await sql<MonthDrop[]>`
    select dropped, rows, kept from drop_month_partitions('order_event', ${before}, 1)
  `;
  return [...months];
}

/** Orders that are placed in a month: of 2 units at 500, with a wallet of their own that has 5,000. */
export async function ordersOfMonths({ database, sql }: { database: Database; sql: Sql }) {
  const sku = await stockedSku(sql, { onHand: 1_000 });

  async function placed(placedAt: Date, paymentMode: 'debit' | 'hold' = 'debit') {
    const orderId = uuidv7({ msecs: placedAt.getTime() });
    const walletId = await fundedWallet(sql, { funds: 5_000 });
    const at = placedAt.toISOString();
    const paymentDeadline = new Date(placedAt.getTime() + 900_000).toISOString();
    await reserve(database, {
      orderId,
      buyerId: 'buyer',
      walletId,
      paymentMode,
      lines: [{ sku, quantity: 2 }],
      paymentDeadline,
      at,
    });
    return { orderId, walletId, at };
  }

  async function paid(placedAt: Date, paymentMode: 'debit' | 'hold' = 'debit') {
    const order = await placed(placedAt, paymentMode);
    await pay(database, { orderId: order.orderId, commandId: uuidv7(), at: order.at });
    return order;
  }

  return {
    sku,
    placed,
    paid,
    refunded: async (placedAt: Date, refundedAt: Date, restock = true) => {
      const order = await paid(placedAt);
      await refund(database, refundAt(order.orderId, refundedAt, restock));
      return order;
    },
    expired: async (placedAt: Date) => {
      const order = await placed(placedAt);
      const reason = 'payment_window_ended';
      await release(database, {
        orderId: order.orderId,
        to: 'expired',
        reason,
        commandId: null,
        at: order.at,
      });
      return order;
    },
    countAll: () => settleEvents(database),
  };
}

export const refundAt = (orderId: string, at: Date, restock = true) => ({
  orderId,
  reason: 'broken',
  commandId: uuidv7(),
  restock,
  at: at.toISOString(),
});
