/** The order that a decision is about, with its rows locked as a step locks them: order, SKUs in key order, wallet. */
import type { PaymentMode } from '../../domain/order.ts';
import type { RestingStage } from '../../domain/stages.ts';
import type { Queryable } from '../postgres.ts';

export interface DecidedOrder {
  id: string;
  shopId: string;
  walletId: string;
  paymentMode: PaymentMode;
  stage: RestingStage;
  reason: string | null;
  version: number;
  currency: string | null;
  total: number | null;
  /** What its payments in parts secure. */
  secured: number;
  createdAt: Date;
  updatedAt: Date;
}

/** Undefined when the order is not recorded. */
export async function lockWhole(sql: Queryable, orderId: string): Promise<DecidedOrder | undefined> {
  await sql`select from orders where id = ${orderId} for no key update`;
  await sql`
    select from sku
    where (shop_id, sku) in (
      select shop_id, sku from reservation where order_id = ${orderId}
      union
      select orders.shop_id, order_line.sku from order_line join orders on orders.id = order_id where order_id = ${orderId}
    )
    order by shop_id, sku
    for no key update
  `;
  await sql`
    select from wallet
    where id in (
      select wallet_id from orders where id = ${orderId}
      union
      select wallet_id from hold where order_id = ${orderId}
      union
      select wallet_id from payment_hold where order_id = ${orderId}
    )
    order by id
    for no key update
  `;
  return readOrder(sql, orderId);
}

export async function readOrder(sql: Queryable, orderId: string): Promise<DecidedOrder | undefined> {
  const [order] = await sql<DecidedOrder[]>`
    select
      id, shop_id as "shopId", wallet_id as "walletId", payment_mode as "paymentMode", stage, reason, version, currency, total, secured,
      created_at as "createdAt", updated_at as "updatedAt"
    from orders
    where id = ${orderId}
  `;
  return order;
}
