/**
 * Decides which requests start now, which wait for a moment, and which come back later and when: the algorithm alone, on a clock that the
 * caller passes.
 *
 * As many requests run at once as the limit allows. Behind them is a queue that drains within a second or so. A caller who finds the
 * queue full is promised a second in which it will have room. Promises are spaced by the measured throughput, so that callers who keep
 * them find the queue short but never empty. A caller with a promise goes ahead of newcomers.
 */
import { Throughput } from './throughput.ts';

/** A newcomer is refused if it would have to wait longer than this, judging by the measured throughput. */
const NEWCOMER_WAITS_MS = 800;
/** The same for a caller who was promised this second: promises are whole seconds, so up to a second's worth of callers arrive at once. */
const PROMISED_WAITS_MS = 1_300;
/** The longest wait by the clock, since the projection may be wrong. A request that has not started by then is refused, but keeps its priority. */
export const LONGEST_WAIT_MS = 1_800;
/** The share of the throughput that is promised: the measurement varies by a few percent, and promises should be kept. */
const PROMISED_SHARE = 0.95;
/** A longer promise would only be a guess: by then the load has changed. */
const LONGEST_RETRY_AFTER_S = 120;

/**
 * How a request ended: it did the work that the queue is for, or failed to, or had none to do. Only `done` counts as throughput, and
 * `nothing` says nothing about the system.
 */
export type Outcome = 'done' | 'failed' | 'nothing';

/** A running request. */
export interface Turn {
  readonly startedAt: number;
  /** Frees its slot, once, because it takes too long. The request itself goes on. */
  setAside(): void;
  /** Call this once. */
  end(outcome: Outcome): void;
}

/** Nothing was started. The caller should come back after these seconds. */
export class RefusedError extends Error {
  override name = 'RefusedError';
  readonly retryAfterS: number;

  constructor(retryAfterS: number) {
    super(`There are more requests than can be handled in time. There will be room in ${retryAfterS} s.`);
    this.retryAfterS = retryAfterS;
  }
}

/** The caller hung up while its request waited. Nothing was started. */
export class CallerGoneError extends Error {
  override name = 'CallerGoneError';
}

/** How many requests may run at once. */
export interface Limit {
  readonly value: number;
  learn(ended: { startedAt: number; endedAt: number; saturated: boolean }): void;
}

export interface QueueOptions {
  limit: Limit;
  /** The assumed throughput, in requests per second, until one was measured. */
  guessPerSecond: number;
  /** Whether callers are recognised when they come back: then newcomers queue behind the promises. */
  knowsCallers: boolean;
  /** The throughput of each other process of this system. Callers come back to any process, so all of them promise at one pace. */
  othersPerSecond?: () => readonly number[];
  /** Milliseconds, on a monotonic clock. */
  now?: () => number;
}

/** Gives a waiting request its turn. */
type Begin = (turn: Turn) => void;

export class AdmissionQueue {
  readonly #limit: Limit;
  readonly #throughput: Throughput;
  readonly #knowsCallers: boolean;
  readonly #othersPerSecond: () => readonly number[];
  readonly #now: () => number;
  readonly #promised = new Set<Begin>();
  readonly #newcomers = new Set<Begin>();
  /** The latest moment promised to anybody. */
  #latestPromise = 0;
  #running = 0;
  /** When everything admitted and promised so far will have started. */
  #bookedUntil = 0;
  /** The same for callers whose promise could not be kept. */
  #lateUntil = 0;

  constructor({
    limit,
    guessPerSecond,
    knowsCallers,
    othersPerSecond = () => [],
    now = () => performance.now(),
  }: QueueOptions) {
    this.#limit = limit;
    this.#throughput = new Throughput(guessPerSecond);
    this.#knowsCallers = knowsCallers;
    this.#othersPerSecond = othersPerSecond;
    this.#now = now;
  }

  /** Whether a request that arrives now would start at once. */
  get hasRoom(): boolean {
    return this.#waiting === 0 && this.#running < this.#limit.value;
  }

  /** For logs. */
  get state(): { running: number; limit: number; waiting: number; perSecond: number } {
    const perSecond = Math.round(this.#throughput.perSecond(this.#now()) * 10) / 10;
    return { running: this.#running, limit: this.#limit.value, waiting: this.#waiting, perSecond };
  }

  /** For requests that must not be refused: starts one at once, and still counts it as running. */
  passAhead(): Turn {
    return this.#begin();
  }

  /**
   * Resolves when the request may start.
   * @param promisedAt the moment promised to this caller earlier, on the queue's clock; undefined for a newcomer.
   * @param gone fires when the caller hangs up.
   * @throws {RefusedError} when the request may not start in time.
   * @throws {CallerGoneError}
   */
  async enter(promisedAt: number | undefined, gone: AbortSignal): Promise<Turn> {
    if (gone.aborted) throw new CallerGoneError();
    if (this.hasRoom) return this.#begin();
    const now = this.#now();
    if (promisedAt !== undefined && promisedAt > now)
      throw new RefusedError(Math.ceil((promisedAt - now) / 1_000));
    const spacing = this.#spacing(now);
    const wait = (this.#waiting * 1_000) / this.#throughput.perSecond(now);
    if (promisedAt === undefined) this.#bookNewcomer(now, wait, spacing);
    // A caller who was refused before finds more room.
    else if (wait > PROMISED_WAITS_MS + Math.min(now - promisedAt, LONGEST_WAIT_MS - PROMISED_WAITS_MS))
      throw this.#refuseLate(now, wait, spacing);
    return this.#wait(promisedAt === undefined ? this.#newcomers : this.#promised, gone);
  }

  #bookNewcomer(now: number, wait: number, spacing: number): void {
    // Nobody was promised a later moment. What late callers cost must not keep newcomers out once all late callers have arrived.
    const booked = Math.max(Math.min(this.#bookedUntil, this.#latestPromise + spacing), now + wait);
    this.#bookedUntil = Math.min(booked, now + LONGEST_RETRY_AFTER_S * 1_000) + spacing;
    const ahead = this.#knowsCallers ? booked - now : wait;
    if (ahead > NEWCOMER_WAITS_MS) throw this.#promise(now, booked - now);
  }

  /** The promise was based on a rate that the system did not keep. Everybody who arrives later waits that much longer. */
  #refuseLate(now: number, wait: number, spacing: number): RefusedError {
    const late = Math.max(this.#lateUntil, now + wait);
    this.#lateUntil = late + spacing;
    this.#bookedUntil = Math.max(this.#bookedUntil, now) + spacing;
    return this.#promise(now, late - now);
  }

  #promise(now: number, inMs: number): RefusedError {
    // Rounded down, so that the queue is not yet empty when callers come. It can absorb a second's worth of them.
    const seconds = Math.max(1, Math.floor(inMs / 1_000));
    this.#latestPromise = Math.max(this.#latestPromise, now + inMs);
    return new RefusedError(seconds);
  }

  async #wait(queue: Set<Begin>, gone: AbortSignal): Promise<Turn> {
    const { promise, resolve, reject } = Promise.withResolvers<Turn>();
    const onHangUp = () => reject(new CallerGoneError());
    const tooLong = setTimeout(() => {
      const now = this.#now();
      reject(this.#refuseLate(now, 0, this.#spacing(now)));
    }, LONGEST_WAIT_MS);
    gone.addEventListener('abort', onHangUp, { once: true });
    queue.add(resolve);
    try {
      return await promise;
    } finally {
      queue.delete(resolve);
      clearTimeout(tooLong);
      gone.removeEventListener('abort', onHangUp);
    }
  }

  /** The milliseconds between two promises. */
  #spacing(now: number): number {
    const rates = [this.#throughput.perSecond(now), ...this.#othersPerSecond()];
    const mean = rates.reduce((total, rate) => total + rate, 0) / rates.length;
    return 1_000 / (PROMISED_SHARE * mean);
  }

  get #waiting(): number {
    return this.#promised.size + this.#newcomers.size;
  }

  #begin(): Turn {
    const startedAt = this.#now();
    this.#running += 1;
    if (this.#running >= this.#limit.value) this.#throughput.busy(startedAt);
    let holdsSlot = true;
    const leave = (outcome: Outcome): void => {
      if (!holdsSlot) return;
      holdsSlot = false;
      const saturated = this.#running >= this.#limit.value;
      this.#running -= 1;
      if (outcome !== 'nothing') this.#limit.learn({ startedAt, endedAt: this.#now(), saturated });
      this.#beginNext();
      if (this.#running < this.#limit.value) this.#throughput.idle();
    };
    return {
      startedAt,
      setAside: () => leave('failed'),
      end: (outcome) => {
        if (outcome === 'done') this.#throughput.ended(this.#now());
        leave(outcome);
      },
    };
  }

  #beginNext(): void {
    for (const queue of [this.#promised, this.#newcomers])
      for (const begin of queue) {
        if (this.#running >= this.#limit.value) return;
        queue.delete(begin);
        begin(this.#begin());
      }
  }
}
