/**
 * Which requests begin now, which wait for a moment, and which are to come back when: the algorithm alone, on a clock that
 * the caller passes.
 *
 * As many run at once as the limit allows. Behind them is a queue that is worked off within a second or so. Whoever finds it
 * full is promised a second in which it will have room: promises are spaced by what the system was measured to do, so that
 * callers who keep them find the queue short, and never empty. A caller who was promised goes before newcomers.
 */
import { Throughput } from './throughput.ts';

/** How long a newcomer may have to wait, going by what ends a second. Longer, and it is refused. */
const NEWCOMER_WAITS_MS = 800;
/** The same for a caller who was promised this second: promises are whole seconds, so up to a second's worth come together. */
const PROMISED_WAITS_MS = 1_300;
/** Going by the clock. What was projected may turn out wrong; what has not begun by then is refused, and keeps its place. */
export const LONGEST_WAIT_MS = 1_800;
/** Of what the system can do: what is measured varies by some percent, and a promise should be kept. */
const PROMISED_SHARE = 0.95;
/** Longer is no promise but a guess: by then the load will be another. */
export const LONGEST_RETRY_AFTER_S = 120;

/**
 * What became of a request: the work that the queue is for was done, or failed, or there was none to do. Only the first says how
 * much the system does, and the last says nothing about it.
 */
export type Outcome = 'done' | 'failed' | 'nothing';

/** A request that runs. */
export interface Turn {
  readonly startedAt: number;
  /** Gives its place to another, once, because it takes too long. It goes on all the same. */
  setAside(): void;
  /** To be called once. */
  end(outcome: Outcome): void;
}

/** Nothing was begun. The caller is to come back after the seconds. */
export class RefusedError extends Error {
  override name = 'RefusedError';
  readonly retryAfterS: number;

  constructor(retryAfterS: number) {
    super(`More is asked for than can be done in time. There will be room in ${retryAfterS} s.`);
    this.retryAfterS = retryAfterS;
  }
}

/** The caller hung up while its request waited. Nothing was begun. */
export class CallerGoneError extends Error {
  override name = 'CallerGoneError';
}

/** How many may run at once. */
export interface Limit {
  readonly value: number;
  learn(ended: { startedAt: number; endedAt: number; saturated: boolean }): void;
}

export interface QueueOptions {
  limit: Limit;
  /** Requests a second that the system is thought to do until that was measured. */
  guessPerSecond: number;
  /** Whether callers who come back are known: then newcomers queue behind what was promised. */
  knowsCallers: boolean;
  /** What other processes of this system do a second: callers come back to any of them, so all promise at one pace. */
  othersPerSecond?: () => readonly number[];
  /** Milliseconds, on a clock that never goes back. */
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
  /** The last moment that somebody was promised. */
  #latestPromise = 0;
  #running = 0;
  /** When everything that was let in and promised so far will have begun. */
  #bookedUntil = 0;
  /** The same for those whose promise could not be kept. */
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

  /** Whether a request that comes now begins at once. */
  get hasRoom(): boolean {
    return this.#waiting === 0 && this.#running < this.#limit.value;
  }

  /** For logs. */
  get state(): { running: number; limit: number; waiting: number; perSecond: number } {
    const perSecond = Math.round(this.#throughput.perSecond(this.#now()) * 10) / 10;
    return { running: this.#running, limit: this.#limit.value, waiting: this.#waiting, perSecond };
  }

  /** For what must not be refused: it begins at once and still counts as running. */
  passAhead(): Turn {
    return this.#begin();
  }

  /**
   * Resolves when the request may begin.
   * @param promisedAt what this caller was promised before, on the queue's clock; undefined for a newcomer.
   * @param gone fires when the caller has hung up.
   * @throws {RefusedError} when it may not.
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
    // Who has come in vain before finds more room.
    else if (wait > PROMISED_WAITS_MS + Math.min(now - promisedAt, LONGEST_WAIT_MS - PROMISED_WAITS_MS))
      throw this.#refuseLate(now, wait, spacing);
    return this.#wait(promisedAt === undefined ? this.#newcomers : this.#promised, gone);
  }

  #bookNewcomer(now: number, wait: number, spacing: number): void {
    // Nobody was promised a later moment: what late callers cost must keep no newcomer out once all of them have come.
    const booked = Math.max(Math.min(this.#bookedUntil, this.#latestPromise + spacing), now + wait);
    this.#bookedUntil = Math.min(booked, now + LONGEST_RETRY_AFTER_S * 1_000) + spacing;
    const ahead = this.#knowsCallers ? booked - now : wait;
    if (ahead > NEWCOMER_WAITS_MS) throw this.#promise(now, booked - now);
  }

  /** Its promise came from a rate that the system did not keep. It costs everybody who comes later that much more. */
  #refuseLate(now: number, wait: number, spacing: number): RefusedError {
    const late = Math.max(this.#lateUntil, now + wait);
    this.#lateUntil = late + spacing;
    this.#bookedUntil = Math.max(this.#bookedUntil, now) + spacing;
    return this.#promise(now, late - now);
  }

  #promise(now: number, inMs: number): RefusedError {
    // Rounded down: the queue is never empty when they come, and works off a second's worth of them.
    const seconds = Math.max(1, Math.floor(inMs / 1_000));
    this.#latestPromise = Math.max(this.#latestPromise, now + inMs);
    return new RefusedError(seconds);
  }

  async #wait(queue: Set<Begin>, gone: AbortSignal): Promise<Turn> {
    const { promise, resolve, reject } = Promise.withResolvers<Turn>();
    const hungUp = () => reject(new CallerGoneError());
    const tooLong = setTimeout(() => {
      const now = this.#now();
      reject(this.#refuseLate(now, 0, this.#spacing(now)));
    }, LONGEST_WAIT_MS);
    gone.addEventListener('abort', hungUp, { once: true });
    queue.add(resolve);
    try {
      return await promise;
    } finally {
      queue.delete(resolve);
      clearTimeout(tooLong);
      gone.removeEventListener('abort', hungUp);
    }
  }

  /** Milliseconds between two promises. */
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
    let hasPlace = true;
    const leave = (outcome: Outcome): void => {
      if (!hasPlace) return;
      hasPlace = false;
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
