/** Obstacles on the real database, which make steps wait and fail. */
import type { Queryable, Sql } from '../../db/postgres.ts';
import { BALANCE_LIMIT } from '../../domain/limits.ts';
import { topUp } from './stock.ts';

/** Locks a wallet until the returned function is called: a payment from it waits, and fails at its lock time-out. */
export const lockWallet = (sql: Sql, id: string): Promise<() => Promise<void>> =>
  lock(sql, (held) => held`select from wallet where id = ${id} for update`);

/** Locks a SKU until the returned function is called: its reservations wait, and fail at their lock time-out. */
export const lockSku = (sql: Sql, sku: string): Promise<() => Promise<void>> =>
  lock(sql, (held) => held`select from sku where sku = ${sku} for update`);

/** Locks orders until the returned function is called: their next steps wait, and fail at their lock time-out. */
export const lockOrders = (sql: Sql, ids: readonly string[]): Promise<() => Promise<void>> =>
  lock(sql, (held) => held`select from orders where id in ${held([...ids])} for update`);

/** Locks an order's attention mark until the returned function is called: the note that clears it fails. */
export const lockMark = (sql: Sql, orderId: string): Promise<() => Promise<void>> =>
  lock(sql, (held) => held`select from attention where order_id = ${orderId} for update`);

/** Locks an idempotency key until the returned function is called: its answer is not kept until then. */
export const lockKey = (sql: Sql, key: string): Promise<() => Promise<void>> =>
  lock(sql, (held) => held`select from idempotency_key where key = ${key} for update`);

async function lock(sql: Sql, take: (held: Queryable) => PromiseLike<unknown>): Promise<() => Promise<void>> {
  const taken = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  const transaction = sql.begin(async (held) => {
    await take(held);
    taken.resolve();
    await release.promise;
  });
  await Promise.race([taken.promise, transaction]);
  return async () => {
    release.resolve();
    await transaction;
  };
}

/** Takes the place of an order's first refund until the returned function is called: the refund waits for it, and fails at its lock time-out. */
export async function refuseRefund(sql: Sql, orderId: string): Promise<() => Promise<void>> {
  const taken = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  const undone = new Error('Its place is free again.');
  const transaction = sql
    .begin(async (held) => {
      await held`
        insert into refund (order_id, version, shop_id, amount, currency, reason, at)
        select id, 3, shop_id, 0, currency, 'test', now() from orders where id = ${orderId}
      `;
      taken.resolve();
      await release.promise;
      throw undone;
    })
    .catch((error: unknown) => {
      if (error !== undone) throw error;
    });
  await Promise.race([taken.promise, transaction]);
  return async () => {
    release.resolve();
    await transaction;
  };
}

/** Fills a wallet up to its limit: a refund into it must wait. */
export async function fillWallet(sql: Sql, walletId: string): Promise<void> {
  const [wallet] = await sql<{ posted: number }[]>`select posted from wallet where id = ${walletId}`;
  if (!wallet) throw new Error(`There is no wallet ${walletId}.`);
  await topUp(sql, walletId, BALANCE_LIMIT - wallet.posted);
}
