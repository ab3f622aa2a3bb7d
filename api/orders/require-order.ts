/** Finds an order, or refuses the request that names it. */
import type { Database } from '../../db/connection.ts';
import { isReachable } from '../../db/order-claims.ts';
import { findOrder, type Order } from '../../db/orders.ts';
import type { Servers } from '../dependencies.ts';
import { Problem } from '../problems/problem.ts';

/** @throws {Problem} `not_found`. */
export async function requireOrder(database: Database, orderId: string): Promise<Order> {
  const order = await findOrder(database, orderId);
  if (!order) throw orderNotFound(orderId);
  return order;
}

/**
 * Workflows know no callers. So nothing is sent to an order's workflow unless the caller can reach the order: the recorded order, or
 * one that the caller placed and that is not recorded yet.
 * @throws {Problem} `not_found`, also for an order of somebody else.
 */
export async function requireReachable(
  { database, caller }: Pick<Servers, 'database' | 'caller'>,
  orderId: string,
): Promise<void> {
  if (!(await isReachable(database, { orderId, caller: caller.id }))) throw orderNotFound(orderId);
}

const orderNotFound = (orderId: string): Problem => new Problem('not_found', `There is no order ${orderId}.`);
