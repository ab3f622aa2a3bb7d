/** Breaks in a storm: a system that is never whole gets no order through, and faults then hit nothing. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Load } from './load.ts';

/** With fewer orders than these within that time, no new fault begins ... */
const FEW_ORDERS = 10;
const WITHIN_MS = 20_000;
/** ... until these are done with. */
const ORDERS_OF_A_LULL = 40;
const POLL_MS = 500;

export interface Lulls {
  /** Waits while one goes on. Whether one did, and the storm still does. */
  passed(over: AbortSignal): Promise<boolean>;
  readonly count: number;
  readonly seconds: number;
  /** Watches the load no more. */
  stop(): void;
}

export function watchForLulls(load: Load): Lulls {
  const seen: { at: number; orders: number }[] = [];
  let count = 0;
  let milliseconds = 0;
  /** How many orders have to be done with before it ends; undefined when none goes on. */
  const lull: { endsAt: number | undefined } = { endsAt: undefined };

  const watch = setInterval(() => {
    const at = performance.now();
    const { orders } = load.rate();
    if (lull.endsAt !== undefined) {
      milliseconds += POLL_MS;
      if (orders < lull.endsAt) return;
      lull.endsAt = undefined;
      seen.length = 0;
    }
    seen.push({ at, orders });
    const [first] = seen;
    if (first === undefined || at - first.at < WITHIN_MS) return;
    seen.shift();
    if (orders - first.orders >= FEW_ORDERS) return;
    lull.endsAt = orders + ORDERS_OF_A_LULL;
    count += 1;
  }, POLL_MS);

  return {
    async passed(over) {
      if (lull.endsAt === undefined) return false;
      while (lull.endsAt !== undefined && !over.aborted)
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
      lull.endsAt = undefined;
    },
  };
}
