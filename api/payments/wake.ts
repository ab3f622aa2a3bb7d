/** Wakes the workflow of a payment, and lets operators find it by whose its order is. */
import { findOrder } from '../../db/orders.ts';
import type { Servers } from '../dependencies.ts';

/** May be called any number of times. A workflow that has ended begins again, and only one that knows its shop and buyer says when it needs a person. */
export async function wakePayment(
  { temporal, database }: Pick<Servers, 'temporal' | 'database'>,
  { paymentId, orderId }: { paymentId: string; orderId: string },
): Promise<void> {
  const order = await findOrder(database, orderId);
  const owner = order && { shopId: order.shopId, buyerId: order.buyerId };
  await temporal.wakePayment({ paymentId, orderId, ...(owner && { owner }) });
}
