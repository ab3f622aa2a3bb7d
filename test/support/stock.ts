/** Writes the rows that a test starts from as the API does: with the movement or the transfer behind each. */
import { randomUUID } from 'node:crypto';
import type { Sql } from '../../db/postgres.ts';

export interface SkuOptions {
  onHand: number;
  price?: number;
  currency?: string;
}

/** Returns the SKU's name, unique in the database. */
export async function stockedSku(
  sql: Sql,
  { onHand, price = 500, currency = 'EUR' }: SkuOptions,
): Promise<string> {
  const sku = `SKU-${randomUUID().slice(0, 8)}`;
  await sql`
    with added as (
      insert into sku (shop_id, sku, name, price, currency, on_hand) values ('main', ${sku}, ${sku}, ${price}, ${currency}, ${onHand})
    )
    insert into stock_movement (shop_id, id, sku, kind, quantity)
    select 'main', ${randomUUID()}, ${sku}, 'initial', ${onHand}::bigint
    where ${onHand}::bigint > 0
  `;
  return sku;
}

export interface WalletOptions {
  funds: number;
  currency?: string;
}

/** Returns the wallet's id. */
export async function fundedWallet(sql: Sql, { funds, currency = 'EUR' }: WalletOptions): Promise<string> {
  const id = randomUUID();
  await sql`insert into wallet (shop_id, id, owner_id, currency) values ('main', ${id}, 'buyer', ${currency})`;
  if (funds > 0) await topUp(sql, id, funds);
  return id;
}

export async function topUp(sql: Sql, walletId: string, amount: number): Promise<void> {
  const transferId = randomUUID();
  await sql`
    with movement as (
      insert into transfer (shop_id, id, kind) values ('main', ${transferId}, 'deposit')
    ),
    topped_up as (
      update wallet set posted = posted + ${amount}::bigint where id = ${walletId} returning id, currency, posted, held
    )
    insert into entry (shop_id, transfer_id, account, wallet_id, amount, currency, posted_after, held_after)
    select 'main', ${transferId}::uuid, 'wallet', id, ${amount}::bigint, currency, posted, held from topped_up
    union all
    select 'main', ${transferId}::uuid, 'funding', null, -${amount}::bigint, currency, null, null from topped_up
  `;
}
