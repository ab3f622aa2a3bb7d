/** How fast orders went through. */
import type { Load } from '../harness/load.ts';
import type { Rate } from './figures.ts';

/** The rate at which a load went until its last one began. */
export async function measureRate(load: Load): Promise<Rate> {
  await load.begun;
  // From here on fewer and fewer callers are at work.
  const rate = rateOf(load);
  await load.done;
  return rate;
}

export function rateOf(load: Load): Rate {
  const { completed, seconds, perSecond } = load.rate();
  return { orders: completed, seconds, perSecond };
}
