/** A system that has more to do than it can: how to make one, and how its callers behave. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Answer, Shop } from './shop.ts';

export const isOverloaded = ({ status, body }: Answer): boolean =>
  status === 503 && body['code'] === 'overloaded';

/** The seconds that an answer asks to wait. */
export function retryAfterOf({ status, headers, body }: Answer): number {
  const seconds = Number(headers.get('retry-after'));
  if (Number.isInteger(seconds) && seconds >= 1) return seconds;
  throw new Error(`${status} ${JSON.stringify(body)} has no Retry-After in whole seconds.`);
}

/** Sends the request until it is let in, each time after the seconds that it is asked to wait. */
export async function obey(send: () => Promise<Answer>, answers: Answer[] = []): Promise<Answer> {
  for (;;) {
    const answer = await send();
    answers.push(answer);
    if (!isOverloaded(answer)) return answer;
    await delay(retryAfterOf(answer) * 1_000);
  }
}

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
