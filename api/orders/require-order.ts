/** Finds an order, or refuses the request that names it. */
import type { Database } from '../../db/connection.ts';
import { findOrder, type Order } from '../../db/orders.ts';
import { Problem } from '../problems/problem.ts';

/** @throws {Problem} `not_found`. */
export async function requireOrder(database: Database, orderId: string): Promise<Order> {
  const order = await findOrder(database, orderId);
  if (!order) throw new Problem('not_found', `There is no order ${orderId}.`);
  return order;
}
