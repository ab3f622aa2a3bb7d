/** Lets go of what an order still has that its stage does not allow: the repairs that reconciliation makes by itself. */
import type { Queryable } from '../postgres.ts';
import { endHold, refundPayment } from '../repairs/money.ts';
import { isSold } from '../repairs/order-stage.ts';
import { endReservation } from '../repairs/stock.ts';
import { readOrder } from './order.ts';

export async function settleRest(sql: Queryable, orderId: string): Promise<void> {
  const order = await readOrder(sql, orderId);
  if (!order || order.stage === 'awaiting_payment') return;
  const reservations = await sql<{ subject: string }[]>`
    select format('%s/%s/%s', shop_id, sku, order_id) as subject from reservation
    where order_id = ${orderId} and state = 'held'
    order by shop_id, sku
  `;
  for (const { subject } of reservations) await endReservation(sql, subject);
  const holds = await sql<{ subject: string }[]>`
    select format('%s/%s', wallet_id, order_id) as subject from hold where order_id = ${orderId} and state = 'held'
  `;
  for (const { subject } of holds) await endHold(sql, subject);
  if (!isSold(order.stage)) await refundPayment(sql, orderId);
}
