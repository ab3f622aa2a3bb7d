/** Records what a caller notes about an order for itself. db/orders.ts reads it with the order. */
import { hasDetail, type OrderDetail } from '../domain/order-detail.ts';
import type { Database } from './connection.ts';
import { orderDetail } from './schema/orders.ts';

export interface NewOrderDetail extends OrderDetail {
  orderId: string;
  shopId: string;
  buyerId: string;
}

/** Of an order that is about to be placed. Its id is the idempotency key: what is recorded stays. */
export async function recordOrderDetail(database: Database, detail: NewOrderDetail): Promise<void> {
  if (hasDetail(detail))
    await database.run(({ orm }) => orm.insert(orderDetail).values(detail).onConflictDoNothing());
}
