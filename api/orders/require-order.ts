/** Finds an order, or refuses the request that names it. */
import type { Database } from '../../db/connection.ts';
import { isPlacedBy } from '../../db/order-claims.ts';
import { findOrder, listWithoutEvents, type FoundOrder } from '../../db/orders.ts';
import type { CommandServers } from '../dependencies.ts';
import { Problem } from '../problems/problem.ts';

/** @throws {Problem} `not_found`. */
export async function requireOrder(database: Database, orderId: string): Promise<FoundOrder> {
  const order = await findOrder(database, orderId);
  if (!order) throw orderNotFound(orderId);
  return order;
}

/** @throws {Problem} `not_found`, and `events_not_kept` when they are not: an empty list would say that nothing has happened. */
export async function requireEvents(database: Database, orderId: string): Promise<void> {
  const order = await requireOrder(database, orderId);
  if ((await listWithoutEvents(database, [orderId])).length > 0)
    throw new Problem(
      'events_not_kept',
      `The order was placed on ${order.createdAt.toISOString().slice(0, 10)}. It is ${order.stage} since ${order.updatedAt.toISOString()}.`,
    );
}

/**
 * Workflows know no callers. So nothing is sent to an order's workflow unless the caller can reach the order: the recorded order, or
 * one that is not recorded yet and that the caller placed.
 * @throws {Problem} `not_found`, also for an order of somebody else.
 */
export async function requireReachable(servers: CommandServers, orderId: string): Promise<void> {
  if (!(await findOrder(servers.database, orderId))) await requirePlaced(servers, orderId);
}

/** The same for an order that is known not to be recorded where the caller can reach it. */
export async function requirePlaced({ claims, caller }: CommandServers, orderId: string): Promise<void> {
  if (!(await isPlacedBy(claims, caller, orderId))) throw orderNotFound(orderId);
}

const orderNotFound = (orderId: string): Problem => new Problem('not_found', `There is no order ${orderId}.`);
