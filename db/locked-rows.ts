/**
 * Keeps statements away from rows that another session has locked: an open transaction, a migration, a report. Every statement that
 * needs such a row would wait out its lock time-out, and occupy a slot of the worker and a connection; a few dozen of them stop
 * everything else. Here only the row's own statements suffer: after {@link PATIENCE_MS} the row is known to be locked, and until it is
 * free again, whatever needs it fails at once.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { LONGEST_RETRY_PAUSE_MS } from '../domain/timeouts.ts';
import type { Database } from './connection.ts';
import { DatabaseUnavailableError, gaveUp } from './errors.ts';
import {
  askWhetherSomeSessionWaits,
  askWhichAreLocked,
  listRows,
  type Row,
  type Rows,
} from './lock-queries.ts';
import { withoutLimit } from './reach.ts';

/**
 * How long an attempt may wait for a lock before its rows are suspected. Twenty times what a statement takes, so that a SKU that
 * everybody buys is not suspected, and a quarter of the lock time-out.
 */
export const PATIENCE_MS = 250;
/** How long a row is taken to be locked without asking again: at most ten questions per second, however many orders need it. */
const ASK_AGAIN_MS = 100;
/** How long a row that nobody needs is remembered: longer than a failed step waits for its next attempt. */
const FORGET_MS = LONGEST_RETRY_PAUSE_MS + 5_000;

/** Another session has locked a needed row. The attempt may still have its effect, as when its answer arrives too late. */
export class RowLockedError extends DatabaseUnavailableError {
  override name = 'RowLockedError';
  /** PostgreSQL's own code for a lock that was not available: callers treat the two alike. */
  readonly code = '55P03';

  constructor({ kind, id }: Row, options?: ErrorOptions) {
    super(`Another session keeps the row of ${kind} ${id} locked.`, options);
  }
}

/**
 * Runs an attempt unless a row that it needs is known to be locked.
 * @param rowsOf is called only when some row is known or suspected to be locked, and may query for them.
 * @throws {RowLockedError} when such a row is known to be locked, or becomes known while the attempt waits; the attempt then ends on
 * its own, and its outcome is ignored. Otherwise what the attempt throws.
 */
export function avoidLockedRows<T>(
  database: Database,
  rowsOf: () => Rows | Promise<Rows>,
  attempt: () => Promise<T>,
): Promise<T> {
  // A caller sees nothing of other sessions, and what is locked for one is locked for all.
  const server = withoutLimit(database);
  let known = knownBy.get(server);
  if (!known) {
    known = new LockedRows(server);
    knownBy.set(server, known);
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
    if (this.#seen.size > 0) await this.#refuse(listRows(await rowsOf()));
    const ended = new AbortController();
    const watched = Promise.withResolvers<never>();
    void this.#watch(rowsOf, ended.signal).then(
      (error) => error && watched.reject(error),
      // PostgreSQL did not answer that question either: the attempt itself fails for the same reason.
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

  /** @throws {RowLockedError} when one of these was seen locked and still is. */
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

  /** Resolves with the reason to stop waiting for an attempt, or with nothing once it has ended. */
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
   * The row that a waiting attempt waits for. The attempt itself has locked the rows before that one, and has not reached those
   * behind it: so it is the last of its rows that is locked.
   */
  async #lockedOf(rowsOf: () => Rows | Promise<Rows>): Promise<Row | undefined> {
    const locked = (await askWhichAreLocked(this.#database, listRows(await rowsOf()))).at(-1);
    if (locked) this.#seen.set(nameOf(locked), performance.now());
    return locked;
  }

  /** One question for all that ask at the same time. */
  #someSessionWaits(): Promise<boolean> {
    this.#isWaiting ??= askWhetherSomeSessionWaits(this.#database, PATIENCE_MS / 2).finally(() => {
      this.#isWaiting = null;
    });
    return this.#isWaiting;
  }

  /** Forgets rows that nobody has needed for a while. */
  #forget(): void {
    const before = performance.now() - FORGET_MS;
    for (const [name, seenAt] of this.#seen) if (seenAt < before) this.#seen.delete(name);
  }
}

const nameOf = ({ kind, id }: Row): string => `${kind} ${id}`;
