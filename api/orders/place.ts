/** Places an order: starts its workflow and answers from what the database recorded. */
import type { NewOrder, OrderClient } from '../../client/orders.ts';
import { findOrder, type Order } from '../../db/orders.ts';
import type { Servers } from '../dependencies.ts';
import { Problem } from '../problems/problem.ts';
import { describeStage, explainRejection } from './refusals.ts';

/**
 * Places an order and returns it as it is now.
 * @param isRetry whether another request has worked on it before: then it may be over, and its workflow long deleted by Temporal, which
 *   would begin it anew.
 * @throws {Problem} when the order was rejected, or cancelled before its reservation was answered.
 */
export async function placeOrder(
  { temporal, database }: Servers,
  newOrder: NewOrder,
  isRetry: boolean,
): Promise<Order> {
  let order = isRetry ? await findOrder(database, newOrder.orderId) : undefined;
  let answer: Awaited<ReturnType<OrderClient['place']>> = 'ended';
  if (!order || order.stage === 'awaiting_payment') {
    answer = await temporal.place(newOrder);
    order = await findOrder(database, newOrder.orderId);
  }
  if (answer === 'ended' && (!order || order.stage === 'awaiting_payment')) {
    // The workflow was reset, or was terminated before it answered. A new workflow finds what the old one recorded, and what a late
    // attempt of it still records.
    answer = await temporal.place(
      { ...newOrder, ...(order && { deadline: order.paymentDeadline.toISOString() }) },
      { restart: true },
    );
    order = await findOrder(database, newOrder.orderId);
  }
  if (!order) throw new Problem('unavailable', 'Placing the order was interrupted.');
  if (order.stage === 'rejected') throw await explainRejection(database, order, newOrder);
  const cancelledUnanswered = answer === 'ended' ? order.version === 1 : answer.stage === 'cancelled';
  if (order.stage === 'cancelled' && cancelledUnanswered)
    throw new Problem('order_cancelled', describeStage(order), { orderId: order.id });
  // Whatever else has happened to the order since, it was placed.
  return order;
}
