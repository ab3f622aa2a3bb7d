/**
 * Counts the requests of each caller against one limit that all API processes share.
 *
 * A process takes a slice of a caller's budget with one statement and then serves from memory. The first slice is a hundredth, so that a
 * caller who sends little leaves little unused in each process; each further one is twice as large, up to a tenth of what is left. So a
 * window costs some dozens of statements at most, whatever the rate, and the processes together never let in more than the quota.
 *
 * While the database does not answer, each process counts alone, against the whole quota: a limit must not close a shop. Nothing is
 * unlimited then, and what needs the database says so itself.
 */
import type { Logger } from 'pino';
import { within, type Database } from '../../db/connection.ts';
import { Recent } from '../access/recent.ts';
import { dropEndedWindows, leaseUnits } from '../../db/rate-limits.ts';

const FIRST_SHARE = 0.01;
const LARGEST_SHARE = 0.1;
/** The next slice is taken when this share of the last one is left, so that requests seldom wait for it. */
const EARLY_SHARE = 0.25;
/** How long a request waits for a slice. A statement takes a millisecond, and the limit must not slow down what it protects. */
const LEASE_PATIENCE_MS = 250;
/** How long a process counts alone before it asks again. */
const ALONE_MS = 1_000;
/** How far this process's clock and the database's drift apart within a window. */
const CLOCK_MARGIN_MS = 50;
const DROP_EVERY_MS = 60_000;
/** Callers in memory. One who is forgotten costs a statement when it comes back. */
const MOST_BUDGETS = 20_000;

export interface Limit {
  /** Requests in a window. */
  quota: number;
  windowMs: number;
}

export interface Verdict {
  isWithin: boolean;
  /** Requests that are left in this window, as far as this process knows. */
  left: number;
  /** Milliseconds until the next window at the latest: a caller who waits that long is let in by every process. */
  resetInMs: number;
}

interface Budget {
  /** Units of this process. */
  own: number;
  /** Units that nobody has taken, as far as known. */
  left: number;
  /** How many units the last slice had. */
  slice: number;
  /** When the window ends, on this process's clock: not before, because the answer was under way for a while, ... */
  endsFrom: number;
  /** ... and not after. */
  endsBy: number;
  asking: Promise<void> | undefined;
  waiting: number;
}

export interface SharedBudgetsOptions extends Limit {
  database: Database;
  logger: Logger;
  /** Distinguishes the limits in the database. */
  name: string;
  /** Milliseconds that a request waits for the database at most. */
  patienceMs?: number;
  /** Milliseconds, on a monotonic clock. */
  now?: (() => number) | undefined;
}

export class SharedBudgets {
  readonly #options: SharedBudgetsOptions;
  readonly #now: () => number;
  readonly #budgets = new Recent<Budget>(MOST_BUDGETS);
  #aloneUntil = -Infinity;
  #droppedAt = -Infinity;

  constructor(options: SharedBudgetsOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** Uses one unit of a caller's budget, if there is one. Answers at once unless a slice has to be taken first. */
  take(caller: string): Verdict | Promise<Verdict> {
    const budget = this.#budgets.get(caller) ?? this.#open(caller);
    return this.#use(caller, budget) ?? this.#askAndUse(caller, budget);
  }

  /** The verdict on a caller who is known to have no unit left; asks nobody, and uses nothing. */
  findExhausted(caller: string): Verdict | undefined {
    const budget = this.#budgets.get(caller);
    return budget !== undefined && this.#isExhausted(budget) ? this.#judge(budget, false) : undefined;
  }

  #open(caller: string): Budget {
    const budget: Budget = {
      own: 0,
      left: this.#options.quota,
      slice: 0,
      endsFrom: -Infinity,
      endsBy: -Infinity,
      asking: undefined,
      waiting: 0,
    };
    this.#budgets.set(caller, budget);
    return budget;
  }

  #isExhausted({ own, left, asking, endsFrom }: Budget): boolean {
    return own <= 0 && left <= 0 && asking === undefined && this.#now() < endsFrom;
  }

  #judge({ own, left, endsBy }: Budget, isWithin: boolean): Verdict {
    return { isWithin, left: own + left, resetInMs: Math.max(0, endsBy - this.#now()) };
  }

  /** Undefined if the database has to be asked first. */
  #use(caller: string, budget: Budget): Verdict | undefined {
    if (this.#isExhausted(budget)) return this.#judge(budget, false);
    if (this.#now() >= budget.endsFrom || budget.own <= 0) return undefined;
    budget.own -= 1;
    if (budget.own < budget.slice * EARLY_SHARE && budget.left > 0) void this.#ask(caller, budget);
    return this.#judge(budget, true);
  }

  async #askAndUse(caller: string, budget: Budget): Promise<Verdict> {
    budget.waiting += 1;
    try {
      for (;;) {
        await this.#ask(caller, budget);
        const verdict = this.#use(caller, budget);
        if (verdict) return verdict;
      }
    } finally {
      budget.waiting -= 1;
    }
  }

  /** All who wait for a slice wait for the same one. */
  #ask(caller: string, budget: Budget): Promise<void> {
    budget.asking ??= this.#lease(caller, budget).finally(() => {
      budget.asking = undefined;
    });
    return budget.asking;
  }

  async #lease(caller: string, budget: Budget): Promise<void> {
    const { database, logger, name, quota, windowMs, patienceMs = LEASE_PATIENCE_MS } = this.#options;
    const askedAt = this.#now();
    const units = this.#sizeSlice(budget, askedAt);
    if (askedAt < this.#aloneUntil) return this.#grantAlone(budget, units);
    try {
      const lease = leaseUnits(database, { name, caller, units, quota, windowMs });
      const { granted, left, endsInMs } = await within(patienceMs, lease, () => new LateError(patienceMs));
      // What is left of an earlier window counts no more. Two answers about one window differ by less than a second.
      const isNew = askedAt + endsInMs > budget.endsFrom + windowMs / 2;
      budget.own = isNew ? granted : budget.own + granted;
      budget.left = left;
      budget.slice = granted;
      budget.endsFrom = askedAt + endsInMs;
      budget.endsBy = this.#now() + endsInMs + CLOCK_MARGIN_MS;
      this.#dropEnded();
    } catch (error) {
      this.#aloneUntil = this.#now() + ALONE_MS;
      logger.warn({ err: error, limit: name }, 'could not share a rate limit: this process counts alone');
      this.#grantAlone(budget, units);
    }
  }

  #sizeSlice({ left, slice, waiting, endsFrom }: Budget, now: number): number {
    const { quota } = this.#options;
    const isNew = now >= endsFrom;
    const wanted = isNew ? quota * FIRST_SHARE : slice * 2;
    const allowed = (isNew ? quota : left) * LARGEST_SHARE;
    return Math.max(1, waiting, Math.floor(Math.min(wanted, allowed)));
  }

  /** As if the database had granted the slice. */
  #grantAlone(budget: Budget, units: number): void {
    const now = this.#now();
    if (now >= budget.endsFrom) {
      budget.own = 0;
      budget.left = this.#options.quota;
      budget.endsFrom = budget.endsBy = now + this.#options.windowMs;
    }
    budget.slice = Math.min(units, budget.left);
    budget.own += budget.slice;
    budget.left -= budget.slice;
  }

  #dropEnded(): void {
    const now = this.#now();
    if (now - this.#droppedAt < DROP_EVERY_MS) return;
    this.#droppedAt = now;
    const { database, logger } = this.#options;
    dropEndedWindows(database).catch((error: unknown) => {
      logger.warn({ err: error }, 'could not drop the rate limits of earlier windows');
    });
  }
}

class LateError extends Error {
  override name = 'LateError';

  constructor(patienceMs: number) {
    super(`The database granted no requests within ${patienceMs} ms.`);
  }
}
