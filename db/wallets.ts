/** Wallets: creating them, depositing money, and listing their entries. What orders do to them is in steps/. */
import { and, eq } from 'drizzle-orm';
import type { Database } from './connection.ts';
import { BALANCE_LIMIT } from '../domain/limits.ts';
import { avoidLockedRows } from './locked-rows.ts';
import { selectList } from './select-list.ts';
import { entry, transfer, wallet } from './schema/wallets.ts';
import { bookLegs } from './steps/fragments.ts';

export interface Wallet {
  id: string;
  ownerId: string;
  currency: string;
  /** Minor units, like every amount here. */
  posted: number;
  held: number;
}

export interface NewWallet extends Pick<Wallet, 'id' | 'ownerId' | 'currency'> {
  shopId: string;
}

/** A wallet's leg of a transfer. */
export interface WalletEntry {
  seq: number;
  transferId: string;
  kind: (typeof transfer.$inferSelect)['kind'];
  orderId: string | null;
  amount: number;
  currency: string;
  postedAfter: number;
  heldAfter: number;
  recordedAt: Date;
}

// The balances are never null on a wallet's leg: a CHECK sees to that.
const ENTRY = selectList({
  seq: entry.seq,
  transferId: entry.transferId,
  kind: transfer.kind,
  orderId: transfer.orderId,
  amount: entry.amount,
  currency: entry.currency,
  postedAfter: entry.postedAfter,
  heldAfter: entry.heldAfter,
  recordedAt: transfer.recordedAt,
});

export interface DepositRequest {
  transferId: string;
  walletId: string;
  amount: number;
}

export type Deposit =
  { outcome: 'booked'; wallet: Wallet } | { outcome: 'unknown_wallet' | 'limit_exceeded' };

/** Creates an empty wallet. Its id is the idempotency key. */
export async function createWallet(
  database: Database,
  { id, shopId, ownerId, currency }: NewWallet,
): Promise<Wallet> {
  await database.run(({ orm }) =>
    orm.insert(wallet).values({ id, shopId, ownerId, currency }).onConflictDoNothing({ target: wallet.id }),
  );
  return { id, ownerId, currency, posted: 0, held: 0 };
}

/** The wallet with that id, or undefined. */
export async function findWallet(database: Database, id: string): Promise<Wallet | undefined> {
  const { ownerId, currency, posted, held } = wallet;
  const [found] = await database.run(({ orm }) =>
    orm.select({ id: wallet.id, ownerId, currency, posted, held }).from(wallet).where(eq(wallet.id, id)),
  );
  return found;
}

/**
 * Puts money into a wallet. The transfer's id is the idempotency key: a repeated deposit changes nothing.
 * Returns the wallet as it was just after the deposit.
 */
export function deposit(database: Database, request: DepositRequest): Promise<Deposit> {
  return avoidLockedRows(
    database,
    () => ({ wallets: [request.walletId] }),
    () => book(database, request),
  );
}

async function book(database: Database, { transferId, walletId, amount }: DepositRequest): Promise<Deposit> {
  const [booked] = await database.run(
    ({ sql }) => sql<Wallet[]>`
      -- A twin waits at the lock and then finds the transfer; all the rest depends on its insert, so nothing is added twice.
      with locked_wallet as materialized (
        select id, shop_id, currency, posted, held from wallet
        where id = ${walletId} and posted <= ${BALANCE_LIMIT}::bigint - ${amount}::bigint
        for no key update
      ),
      movement as (
        insert into transfer (id, shop_id, kind)
        select ${transferId}::uuid, shop_id, 'deposit' from locked_wallet
        on conflict (id) do nothing
        returning id
      ),
      to_apply as (
        select shop_id, currency, ${amount}::bigint as amount from locked_wallet cross join movement
      ),
      changed_wallet as (
        update wallet set posted = locked_wallet.posted + to_apply.amount, held = locked_wallet.held
        from locked_wallet cross join to_apply
        where wallet.id = locked_wallet.id
        returning wallet.id, wallet.owner_id, wallet.currency, wallet.posted, wallet.held
      ),
      ${bookLegs(sql, transferId, 'funding')}
      select id, owner_id as "ownerId", currency, posted, held from changed_wallet
    `,
  );
  if (booked) return { outcome: 'booked', wallet: booked };

  // No row: unknown, at the limit, or booked before. A new snapshot shows which.
  const [recorded] = await database.run(({ orm }) =>
    orm
      .select({
        id: wallet.id,
        ownerId: wallet.ownerId,
        currency: wallet.currency,
        postedAfter: entry.postedAfter,
        heldAfter: entry.heldAfter,
      })
      .from(wallet)
      .leftJoin(entry, and(eq(entry.transferId, transferId), eq(entry.account, 'wallet')))
      .where(eq(wallet.id, walletId)),
  );
  if (!recorded) return { outcome: 'unknown_wallet' };
  const { postedAfter, heldAfter, ...terms } = recorded;
  // Both are there on every wallet's leg: a CHECK sees to that.
  return postedAfter === null || heldAfter === null
    ? { outcome: 'limit_exceeded' }
    : { outcome: 'booked', wallet: { ...terms, posted: postedAfter, held: heldAfter } };
}

/** A wallet's entries, newest first, beginning after `before`. */
export async function listEntries(
  database: Database,
  walletId: string,
  { before, limit }: { before: number | undefined; limit: number },
): Promise<WalletEntry[]> {
  return database.run(
    ({ sql }) => sql<WalletEntry[]>`
      select ${sql.unsafe(ENTRY)}
      from (
        select * from entry
        -- As a range of one, in whose order the rows come: otherwise PostgreSQL may read all entries from the newest on, which looks short
        -- until the wallet has few.
        where wallet_id between ${walletId} and ${walletId} ${before === undefined ? sql`` : sql`and seq < ${before}`}
        order by wallet_id desc, seq desc
        limit ${limit}
      ) as entry
      join transfer on transfer.id = entry.transfer_id
      order by entry.seq desc
    `,
  );
}
