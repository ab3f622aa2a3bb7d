/** A system that has more to do than it can: how to make one, and how its callers behave. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Answer } from './answer.ts';
import { isOverloaded } from './obey.ts';
import type { Shop } from './shop.ts';

/** Orders of a locked SKU, so many that new ones are refused. Resolves with what they will be answered. */
export async function overload(shop: Shop, sku: string, wallet: string): Promise<Promise<Answer>[]> {
  const sent: Promise<Answer>[] = [];
  let refused = false;
  while (!refused) {
    const order = shop.order(wallet, [{ sku, quantity: 1 }]);
    sent.push(order);
    // Those that wait in the queue are not answered yet, nor those that are let in.
    refused = await Promise.race([order.then(isOverloaded), delay(20, false)]);
  }
  return sent;
}
