/** Wallets: making them, putting money in, and what happened to them. Orders' own movements are in steps/. */
import { and, desc, eq, lt, sql as expression } from 'drizzle-orm';
import type { Database } from './connection.ts';
import { BALANCE_LIMIT } from '../domain/limits.ts';
import { avoidLockedRows } from './locked-rows.ts';
import { entry, transfer, wallet } from './schema/wallets.ts';

export interface Wallet {
  id: string;
  ownerId: string;
  currency: string;
  /** Minor units, like every amount here. */
  posted: number;
  held: number;
}

/** What happened to a wallet: its leg of a transfer. */
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

export interface DepositRequest {
  transferId: string;
  walletId: string;
  amount: number;
}

export type Deposit =
  { outcome: 'booked'; wallet: Wallet } | { outcome: 'unknown_wallet' | 'limit_exceeded' };

/** Makes an empty wallet. Its id is the idempotency key. */
export async function createWallet(
  database: Database,
  { id, ownerId, currency }: Pick<Wallet, 'id' | 'ownerId' | 'currency'>,
): Promise<Wallet> {
  await database.run(({ orm }) =>
    orm.insert(wallet).values({ id, ownerId, currency }).onConflictDoNothing({ target: wallet.id }),
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
      -- A twin waits at the lock and then finds the transfer there; the rest depends on its insert, so nothing is added.
      with target as materialized (
        select id from wallet
        where id = ${walletId} and posted <= ${BALANCE_LIMIT}::bigint - ${amount}::bigint
        for no key update
      ),
      movement as (
        insert into transfer (id, kind)
        select ${transferId}::uuid, 'deposit' from target
        on conflict (id) do nothing
        returning id
      ),
      credited as (
        update wallet set posted = wallet.posted + ${amount}::bigint
        from target cross join movement
        where wallet.id = target.id
        returning wallet.id, wallet.owner_id, wallet.currency, wallet.posted, wallet.held
      ),
      leg as (
        insert into entry (transfer_id, account, wallet_id, amount, currency, posted_after, held_after)
        select ${transferId}::uuid, 'wallet', id, ${amount}::bigint, currency, posted, held from credited
        union all
        select ${transferId}::uuid, 'funding', null, -${amount}::bigint, currency, null, null from credited
      )
      select id, owner_id as "ownerId", currency, posted, held from credited
    `,
  );
  if (booked) return { outcome: 'booked', wallet: booked };

  // No row: unknown, at the limit, or booked before. A new snapshot tells which.
  const [recorded] = await database.run(
    ({ sql }) => sql<(Wallet & { booked: boolean })[]>`
      select
        wallet.id, wallet.owner_id as "ownerId", wallet.currency, entry.posted_after as posted,
        entry.held_after as held, entry.transfer_id is not null as booked
      from wallet
      left join entry on entry.transfer_id = ${transferId} and entry.account = 'wallet'
      where wallet.id = ${walletId}
    `,
  );
  if (!recorded) return { outcome: 'unknown_wallet' };
  const { booked: before, ...state } = recorded;
  return before ? { outcome: 'booked', wallet: state } : { outcome: 'limit_exceeded' };
}

/** A wallet's entries, newest first, from the one before `before` on. */
export async function listEntries(
  database: Database,
  walletId: string,
  { before, limit }: { before: number | undefined; limit: number },
): Promise<WalletEntry[]> {
  const { seq, transferId, amount, currency, postedAfter, heldAfter } = entry;
  const { kind, orderId, recordedAt } = transfer;
  return database.run(({ orm }) =>
    orm
      .select({
        seq,
        transferId,
        kind,
        orderId,
        amount,
        currency,
        // Never null on a wallet's leg: a CHECK sees to it.
        postedAfter: expression`${postedAfter}`.mapWith(Number),
        heldAfter: expression`${heldAfter}`.mapWith(Number),
        recordedAt,
      })
      .from(entry)
      .innerJoin(transfer, eq(transfer.id, entry.transferId))
      .where(and(eq(entry.walletId, walletId), before === undefined ? undefined : lt(seq, before)))
      .orderBy(desc(seq))
      .limit(limit),
  );
}
