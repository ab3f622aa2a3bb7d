/** Brings a system under more load than it can handle. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Answer } from './answer.ts';
import { isOverloaded } from './obey.ts';
import type { Shop } from './shop.ts';

/** Sends orders for a locked SKU until new ones are refused. Resolves with the answers that the orders will get. */
export async function overload(shop: Shop, sku: string, wallet: string): Promise<Promise<Answer>[]> {
  const sent: Promise<Answer>[] = [];
  let refused = false;
  while (!refused) {
    const order = shop.order(wallet, [{ sku, quantity: 1 }]);
    sent.push(order);
    // Orders in the queue and admitted orders are not answered yet.
    refused = await Promise.race([order.then(isOverloaded), delay(20, false)]);
  }
  return sent;
}
