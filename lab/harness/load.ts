/** Callers that do one thing after the other. */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { sum } from './statistics.ts';

export interface LoadOptions {
  callers: number;
  /** Begins nothing after this time. What has begun by then is finished, and counted. */
  seconds?: number;
  /** Begins this many in all. */
  count?: number;
  /** Begins at most this many a second. When no caller was free for a while, it catches up at once. */
  perSecond?: number;
  signal: AbortSignal;
}

export interface Completed {
  completed: number;
  /** Each caller's own rate, added up: dividing by the last one's end would count the rest of the others as waiting. */
  perSecond: number;
}

export interface Load {
  /** Resolves when the last one has begun. */
  begun: Promise<void>;
  /** Resolves when all are finished. Rejects as soon as one fails or the signal fires; then no further one begins. */
  done: Promise<Completed>;
  /** What was completed until now. */
  rate(): Completed & { seconds: number };
  /** Begins nothing more. */
  stop(): void;
}

/** @param doOne gets the number of this one, counted from 0. */
export function startLoad(
  { callers, seconds = Infinity, count = Infinity, perSecond = Infinity, signal }: LoadOptions,
  doOne: (number: number) => Promise<void>,
): Load {
  const startedAt = performance.now();
  const secondsSoFar = (): number => (performance.now() - startedAt) / 1_000;
  const failed = new AbortController();
  const stopped = new AbortController();
  const over = AbortSignal.any([signal, failed.signal]);
  const cutShort = AbortSignal.any([over, stopped.signal]);
  const lastBegun = Promise.withResolvers<void>();
  let next = 0;
  let completed = 0;

  async function caller(): Promise<Completed> {
    let own = 0;
    while (next < count && secondsSoFar() < seconds && !stopped.signal.aborted) {
      over.throwIfAborted();
      const number = next++;
      const early = 1_000 * (number / perSecond - secondsSoFar());
      if (early > 0) await delay(early, undefined, { signal: cutShort }).catch(() => over.throwIfAborted());
      if (stopped.signal.aborted) break;
      if (number + 1 >= count) lastBegun.resolve();
      await doOne(number);
      own += 1;
      completed += 1;
    }
    return { completed: own, perSecond: own / secondsSoFar() };
  }

  async function all(): Promise<Completed> {
    const ends = Promise.all(Array.from({ length: callers }, caller));
    try {
      await Promise.race([ends, once(over, 'abort').then(() => over.throwIfAborted())]);
      return {
        completed,
        perSecond: sum((await ends).map((one) => one.perSecond)),
      };
    } catch (error) {
      failed.abort(error);
      throw error;
    }
  }

  const done = all();
  const begun = Promise.race([lastBegun.promise, done.then(() => {})]);
  // A failure is for those who wait for the end, whether or not anybody waits for this.
  begun.catch(() => {});
  return {
    begun,
    done,
    rate() {
      const soFar = secondsSoFar();
      return { completed, seconds: soFar, perSecond: completed / soFar };
    },
    stop: () => stopped.abort(),
  };
}

/** The same, for callers that only want the end. */
export const load = (options: LoadOptions, doOne: (number: number) => Promise<void>): Promise<Completed> =>
  startLoad(options, doOne).done;
