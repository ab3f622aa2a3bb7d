/** So many orders by so many callers, each of which takes the next as soon as it is done with one. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Rate } from './figures.ts';

export interface Load {
  /** Resolves when the last order was begun. */
  begun: Promise<void>;
  /** Resolves when callers are done with all of them. */
  done: Promise<void>;
  /** Orders that callers were done with, until now. */
  rate(): Rate;
}

export interface LoadOptions {
  orders: number;
  callers: number;
  /** Orders that come a second, when callers are free: what an outage held up comes at once after it. Left out: any number. */
  perSecond?: number;
  /** Ends the wait for an order that has not come yet. */
  signal: AbortSignal;
}

/** @param doOne gets the number of the order. What it throws ends the load. */
export function startLoad(
  { orders, callers, perSecond = Infinity, signal }: LoadOptions,
  doOne: (number: number) => Promise<void>,
): Load {
  const startedAt = performance.now();
  const begun = Promise.withResolvers<void>();
  let next = 0;
  let completed = 0;
  const caller = async (): Promise<void> => {
    while (next < orders) {
      const number = next++;
      const early = startedAt + (1_000 * number) / perSecond - performance.now();
      if (early > 0) await delay(early, undefined, { signal });
      if (number + 1 >= orders) begun.resolve();
      await doOne(number);
      completed += 1;
    }
  };
  const done = Promise.all(Array.from({ length: callers }, caller)).then(() => {});
  return {
    begun: Promise.race([begun.promise, done]),
    done,
    rate() {
      const seconds = (performance.now() - startedAt) / 1_000;
      return { orders: completed, seconds, perSecond: completed / seconds };
    },
  };
}
