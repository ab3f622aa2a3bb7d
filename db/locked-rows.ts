/**
 * Rows that another session keeps locked: somebody's open transaction, a migration, a report. Every statement that needs such a
 * row would wait out its lock time-out, and take a slot of the worker and a connection with it; a few dozen of them stop
 * everything else. Here only the row's own statements suffer: after {@link PATIENCE_MS} the row is known to be locked, and until
 * it is free again, whatever needs it fails at once.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { LONGEST_RETRY_PAUSE_MS } from '../domain/timeouts.ts';
import type { Database } from './connection.ts';
import { DatabaseUnavailableError, gaveUp } from './errors.ts';

/**
 * How long an attempt may wait for a lock before its rows are suspected. Twenty times what a statement takes, so that a SKU which
 * everybody buys is not suspected, and a quarter of the lock time-out.
 */
export const PATIENCE_MS = 250;
/** For so long nobody asks again whether a row is free: at most ten questions a second for each, however many orders need it. */
const ASK_AGAIN_MS = 100;
/** Longer than a step that fails waits for its next attempt. */
const FORGET_MS = LONGEST_RETRY_PAUSE_MS + 5_000;

/** The rows that a statement locks, by their keys. */
export interface Rows {
  orders?: readonly string[];
  skus?: readonly string[];
  wallets?: readonly string[];
}

interface Row {
  kind: 'order' | 'SKU' | 'wallet';
  id: string;
}

/** Another session keeps a row locked that is needed. The attempt may still have its effect, as when it was not answered in time. */
export class RowLockedError extends DatabaseUnavailableError {
  override name = 'RowLockedError';
  /** PostgreSQL's own for a lock that is not to be had: callers treat the two alike. */
  readonly code = '55P03';

  constructor({ kind, id }: Row, options?: ErrorOptions) {
    super(`Another session keeps the row of ${kind} ${id} locked.`, options);
  }
}

/**
 * Runs an attempt unless a row that it needs is known to be locked.
 * @param rowsOf is asked only when some row is known or suspected to be locked, and may look them up.
 * @throws {RowLockedError} when one is, or becomes known to be while the attempt waits, which then ends by itself, unheard; else
 * what the attempt throws.
 */
export function avoidLockedRows<T>(
  database: Database,
  rowsOf: () => Rows | Promise<Rows>,
  attempt: () => Promise<T>,
): Promise<T> {
  let known = knownBy.get(database);
  if (!known) {
    known = new LockedRows(database);
    knownBy.set(database, known);
  }
  return known.avoid(rowsOf, attempt);
}

const knownBy = new WeakMap<Database, LockedRows>();

class LockedRows {
  readonly #database: Database;
  /** When each row was last seen locked, by {@link nameOf}. */
  readonly #seen = new Map<string, number>();
  #isWaiting: Promise<boolean> | null = null;

  constructor(database: Database) {
    this.#database = database;
  }

  async avoid<T>(rowsOf: () => Rows | Promise<Rows>, attempt: () => Promise<T>): Promise<T> {
    this.#forget();
    if (this.#seen.size > 0) await this.#refuse(listed(await rowsOf()));
    const ended = new AbortController();
    const watched = Promise.withResolvers<never>();
    void this.#watch(rowsOf, ended.signal).then(
      (error) => error && watched.reject(error),
      // PostgreSQL did not answer that question either: the attempt itself fails of it.
      () => {},
    );
    try {
      return await Promise.race([attempt(), watched.promise]);
    } catch (error) {
      if (!gaveUp(error)) throw error;
      const locked = await this.#lockedOf(rowsOf).catch(() => undefined);
      throw locked ? new RowLockedError(locked, { cause: error }) : error;
    } finally {
      ended.abort();
    }
  }

  /** @throws {RowLockedError} when one of these was seen locked, and still is. */
  async #refuse(rows: readonly Row[]): Promise<void> {
    const suspects = rows.filter((row) => this.#seen.has(nameOf(row)));
    const now = performance.now();
    const justSeen = suspects.find((row) => now - (this.#seen.get(nameOf(row)) ?? 0) < ASK_AGAIN_MS);
    if (justSeen) throw new RowLockedError(justSeen);
    if (suspects.length === 0) return;
    const locked = await askWhichAreLocked(this.#database, suspects);
    for (const row of suspects) this.#seen.delete(nameOf(row));
    for (const row of locked) this.#seen.set(nameOf(row), performance.now());
    if (locked[0]) throw new RowLockedError(locked[0]);
  }

  /** Resolves with why an attempt should wait no longer; with nothing once it has ended. */
  async #watch(rowsOf: () => Rows | Promise<Rows>, ended: AbortSignal): Promise<RowLockedError | undefined> {
    for (;;) {
      await delay(PATIENCE_MS, undefined, { signal: ended, ref: false }).catch(() => {});
      if (ended.aborted) return undefined;
      if (!(await this.#someSessionWaits())) continue;
      const locked = await this.#lockedOf(rowsOf);
      if (locked) return new RowLockedError(locked);
    }
  }

  /**
   * What an attempt that waits is waiting for. It keeps the rows before that one locked itself, and has not come to those behind
   * it: of its rows, the last one that is locked.
   */
  async #lockedOf(rowsOf: () => Rows | Promise<Rows>): Promise<Row | undefined> {
    const locked = (await askWhichAreLocked(this.#database, listed(await rowsOf()))).at(-1);
    if (locked) this.#seen.set(nameOf(locked), performance.now());
    return locked;
  }

  /** One question for all that ask at once. */
  #someSessionWaits(): Promise<boolean> {
    this.#isWaiting ??= askWhetherSomeSessionWaits(this.#database).finally(() => {
      this.#isWaiting = null;
    });
    return this.#isWaiting;
  }

  /** A row that nobody has needed for a while. */
  #forget(): void {
    const before = performance.now() - FORGET_MS;
    for (const [name, seenAt] of this.#seen) if (seenAt < before) this.#seen.delete(name);
  }
}

const nameOf = ({ kind, id }: Row): string => `${kind} ${id}`;

const listed = ({ orders = [], skus = [], wallets = [] }: Rows): Row[] => [
  ...orders.map((id): Row => ({ kind: 'order', id })),
  ...skus.map((id): Row => ({ kind: 'SKU', id })),
  ...wallets.map((id): Row => ({ kind: 'wallet', id })),
];

async function askWhetherSomeSessionWaits(database: Database): Promise<boolean> {
  const [row] = await database.run(
    ({ sql }) => sql<{ waits: boolean }[]>`
      -- Has a session like this one waited for a lock for long? If none has, what is slow is slow for another reason. Not asked
      -- of the rows at once: those of a statement that is under way are locked by itself.
      select exists (
        select
        from pg_locks join pg_stat_activity using (pid)
        where
          not granted
          and datname = current_database()
          and application_name = current_setting('application_name')
          and waitstart < clock_timestamp() - ${PATIENCE_MS / 2} * interval '1 millisecond'
      ) as waits
    `,
  );
  return row?.waits ?? false;
}

function askWhichAreLocked(database: Database, rows: readonly Row[]): Promise<Row[]> {
  return database.run(
    ({ sql }) => sql<Row[]>`
      -- Which of these rows could a step not lock, in the order in which steps lock them? It waits for none of them, and lets go
      -- of the others as it ends.
      with asked as materialized (
        select kind, id from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as asked (kind text, id text)
      ),
      free_order as materialized (
        select id from orders
        where id in (select id::uuid from asked where kind = 'order')
        for no key update skip locked
      ),
      free_sku as materialized (
        select sku from sku
        where sku in (select id from asked where kind = 'SKU')
        for no key update skip locked
      ),
      free_wallet as materialized (
        select id from wallet
        where id in (select id::uuid from asked where kind = 'wallet')
        for no key update skip locked
      )
      select kind, id
      from asked
      where
        case kind
          when 'order' then
            exists (select from orders where orders.id = asked.id::uuid)
            and not exists (select from free_order where free_order.id = asked.id::uuid)
          when 'SKU' then
            exists (select from sku where sku.sku = asked.id)
            and not exists (select from free_sku where free_sku.sku = asked.id)
          when 'wallet' then
            exists (select from wallet where wallet.id = asked.id::uuid)
            and not exists (select from free_wallet where free_wallet.id = asked.id::uuid)
        end
      order by case kind when 'order' then 1 when 'SKU' then 2 else 3 end, id
    `,
  );
}

/** The rows that steps of an order which is recorded lock: its own, its SKUs' and its wallet's. */
export async function rowsOfOrder(
  database: Database,
  orderId: string,
): Promise<{ orders: string[]; skus: string[]; wallets: string[]; holdsMoney: boolean }> {
  const rows = await database.run(
    ({ sql }) => sql<{ sku: string | null; walletId: string; holdsMoney: boolean }[]>`
      -- What has to be free for a step of this order?
      select order_line.sku, orders.wallet_id as "walletId", orders.payment_mode = 'hold' as "holdsMoney"
      from orders left join order_line on order_line.order_id = orders.id
      where orders.id = ${orderId}
    `,
  );
  return {
    orders: [orderId],
    skus: rows.flatMap(({ sku }) => sku ?? []),
    wallets: rows.slice(0, 1).map(({ walletId }) => walletId),
    holdsMoney: rows[0]?.holdsMoney ?? false,
  };
}
