/** Calm intervals: a system that is never whole gets no order through, and further faults would hit nothing. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Load } from '../harness/load.ts';

/** With fewer orders than these within that time, no new fault begins ... */
const FEW_ORDERS = 10;
const WITHIN_MS = 20_000;
/** ... until this many more are finished. */
const ORDERS_IN_CALM = 40;
const POLL_MS = 500;

export interface CalmIntervals {
  /** Waits while one lasts. Resolves to whether one did and the nemesis goes on. */
  waitFor(over: AbortSignal): Promise<boolean>;
  readonly count: number;
  readonly seconds: number;
  /** Stops watching the load. */
  stop(): void;
}

export function watchForCalm(load: Load): CalmIntervals {
  const seen: { at: number; orders: number }[] = [];
  let count = 0;
  let milliseconds = 0;
  /** The number of finished orders at which this one ends; undefined between two. */
  const interval: { endsAt: number | undefined } = { endsAt: undefined };

  const watch = setInterval(() => {
    const at = performance.now();
    const orders = load.rate().completed;
    if (interval.endsAt !== undefined) {
      milliseconds += POLL_MS;
      if (orders < interval.endsAt) return;
      interval.endsAt = undefined;
      seen.length = 0;
    }
    seen.push({ at, orders });
    const [first] = seen;
    if (first === undefined || at - first.at < WITHIN_MS) return;
    seen.shift();
    if (orders - first.orders >= FEW_ORDERS) return;
    interval.endsAt = orders + ORDERS_IN_CALM;
    count += 1;
  }, POLL_MS);

  return {
    async waitFor(over) {
      if (interval.endsAt === undefined) return false;
      while (interval.endsAt !== undefined && !over.aborted)
        await delay(POLL_MS, undefined, { signal: over }).catch(() => {});
      return !over.aborted;
    },
    get count() {
      return count;
    },
    get seconds() {
      return milliseconds / 1_000;
    },
    stop() {
      clearInterval(watch);
      interval.endsAt = undefined;
    },
  };
}
