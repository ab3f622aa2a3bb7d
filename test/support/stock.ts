/** Writes the rows that a test starts from as the API does: with the movement or the transfer behind each. */
import { randomUUID } from 'node:crypto';
import { MAIN_SHOP } from '../../domain/shops.ts';
import type { Sql } from '../../db/postgres.ts';

/** Opens a shop. Returns its id, unique in the database. */
export async function openShop(sql: Sql): Promise<string> {
  const id = `shop-${randomUUID().slice(0, 8)}`;
  await sql`insert into shop (id, name) values (${id}, 'Test')`;
  return id;
}

export interface SkuOptions {
  shopId?: string;
  /** Unique in the database unless given. */
  sku?: string;
  onHand: number;
  price?: number;
  currency?: string;
}

/** Returns the SKU's name. */
export async function stockedSku(
  sql: Sql,
  {
    shopId = MAIN_SHOP,
    sku = `SKU-${randomUUID().slice(0, 8)}`,
    onHand,
    price = 500,
    currency = 'EUR',
  }: SkuOptions,
): Promise<string> {
  await sql`
    with added as (
      insert into sku (shop_id, sku, name, price, currency, on_hand) values (${shopId}, ${sku}, ${sku}, ${price}, ${currency}, ${onHand})
    )
    insert into stock_movement (shop_id, id, sku, kind, quantity)
    select ${shopId}, ${randomUUID()}, ${sku}, 'initial', ${onHand}::bigint
    where ${onHand}::bigint > 0
  `;
  return sku;
}

export interface WalletOptions {
  shopId?: string;
  ownerId?: string;
  funds: number;
  currency?: string;
}

/** Returns the wallet's id. */
export async function fundedWallet(
  sql: Sql,
  { shopId = MAIN_SHOP, ownerId = 'buyer', funds, currency = 'EUR' }: WalletOptions,
): Promise<string> {
  const id = randomUUID();
  await sql`insert into wallet (shop_id, id, owner_id, currency) values (${shopId}, ${id}, ${ownerId}, ${currency})`;
  if (funds > 0) await topUp(sql, id, funds);
  return id;
}

export async function topUp(sql: Sql, walletId: string, amount: number): Promise<void> {
  const transferId = randomUUID();
  await sql`
    with movement as (
      insert into transfer (shop_id, id, kind) select shop_id, ${transferId}, 'deposit' from wallet where id = ${walletId}
    ),
    topped_up as (
      update wallet set posted = posted + ${amount}::bigint where id = ${walletId} returning shop_id, id, currency, posted, held
    )
    insert into entry (shop_id, transfer_id, account, wallet_id, amount, currency, posted_after, held_after)
    select shop_id, ${transferId}::uuid, 'wallet', id, ${amount}::bigint, currency, posted, held from topped_up
    union all
    select shop_id, ${transferId}::uuid, 'funding', null, -${amount}::bigint, currency, null, null from topped_up
  `;
}
