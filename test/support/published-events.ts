/** Orders that move while others publish and read, and what readers must have seen in the end. */
import { expect } from 'vitest';
import type { Database } from '../../db/connection.ts';
import { readFeed, type FeedPosition } from '../../db/events/read.ts';
import { ormOn, type Queryable, type Sql } from '../../db/postgres.ts';
import { release } from '../../db/steps/release.ts';
import { pay } from '../../db/steps/pay.ts';
import { reserve } from '../../db/steps/reserve.ts';
import type { PublishedEvent } from '../../domain/events.ts';
import { anOrder, payment, releaseTo } from './step-requests.ts';
import { fundedWallet, stockedSku } from './stock.ts';

/** A transaction as steps take it: nothing of it is committed before the transaction is. */
export const within = (sql: Sql, transaction: Queryable): Database => ({
  run: async (query) => query({ sql: transaction, orm: ormOn(sql) }),
  transaction: (work) => work(transaction),
});

/** Somebody who places orders in a shop, and moves them. */
export async function writerIn(sql: Sql, shopId: string) {
  const walletId = await fundedWallet(sql, { shopId, funds: 1_000_000 });
  const sku = await stockedSku(sql, { shopId, onHand: 1_000_000 });
  return {
    place: async (database: Database): Promise<string> => {
      const order = anOrder({ shopId, walletId, lines: [{ sku, quantity: 1 }] });
      await reserve(database, order);
      return order.orderId;
    },
    pay: (database: Database, orderId: string) => pay(database, payment(orderId)),
    expire: (database: Database, orderId: string) => release(database, releaseTo(orderId, 'expired')),
  };
}

export interface Poller {
  seen: PublishedEvent[];
  /** Reads one page. Resolves with whether there was anything. */
  poll(): Promise<boolean>;
}

export function pollerOf(database: Database, shopId: string, limit: number): Poller {
  let after: FeedPosition | undefined;
  const seen: PublishedEvent[] = [];
  return {
    seen,
    async poll() {
      const page = await readFeed(database, { shopId, after, limit });
      if (page === undefined) throw new Error('Events were dropped.');
      after = page.next;
      seen.push(...page.events);
      return page.events.length > 0;
    },
  };
}

/** Everything that was recorded in the shop, each once, under consecutive numbers, and of each order in order. */
export async function expectSawAll(sql: Sql, shopId: string, { seen }: Poller): Promise<void> {
  expect(seen.map(({ sequence }) => sequence)).toEqual(seen.map((_, index) => index + 1));
  const recorded = await sql<{ id: string }[]>`
    select order_id || '-' || order_event.version as id from order_event join orders on orders.id = order_id where shop_id = ${shopId}
  `;
  expect(seen.map(({ id }) => id).toSorted()).toEqual(recorded.map(({ id }) => id).toSorted());
  const versions = Map.groupBy(seen, ({ data }) => data.orderId);
  for (const events of versions.values())
    expect(events.map(({ data }) => data.version)).toEqual(events.map((_, index) => index + 1));
  const [sequence] = await sql<{ last: number }[]>`select last from shop_sequence where shop_id = ${shopId}`;
  expect(sequence?.last).toBe(seen.length);
}
