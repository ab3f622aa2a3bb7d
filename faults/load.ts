/** So many orders by so many callers, each of which takes the next as soon as it is done with one. */
import type { Rate } from './figures.ts';

export interface Load {
  /** Resolves when the last order was begun. */
  begun: Promise<void>;
  /** Resolves when callers are done with all of them. */
  done: Promise<void>;
  /** Orders that callers were done with, until now. */
  rate(): Rate;
}

/** @param doOne gets the number of the order. What it throws ends the load. */
export function startLoad(
  { orders, callers }: { orders: number; callers: number },
  doOne: (number: number) => Promise<void>,
): Load {
  const startedAt = performance.now();
  const begun = Promise.withResolvers<void>();
  let next = 0;
  let completed = 0;
  const caller = async (): Promise<void> => {
    while (next < orders) {
      const number = next++;
      if (next >= orders) begun.resolve();
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
