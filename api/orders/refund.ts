/** Refunds a paid order, which has one refund workflow: the database knows whose command it serves. */
import type { Order } from '../../db/orders.ts';
import type { RefundInput } from '../../domain/order.ts';
import type { Servers } from '../dependencies.ts';
import { Problem } from '../problems/problem.ts';
import { requireOrder } from './require-order.ts';
import { findVerdict, type Command } from './verdict.ts';

/** A refund that a caller asked for. */
export type RefundCommand = RefundInput & { commandId: string };

/**
 * Refunds a paid order and returns it.
 * @throws {Problem} when the order is not paid, or another command refunded it.
 */
export async function refundOrder(servers: Servers, refund: RefundCommand): Promise<Order> {
  const { orderId, commandId } = refund;
  const command: Command = { orderId, commandId, openStages: ['paid'], refusal: 'order_not_refundable' };
  // An order has one refund workflow at a time: it must not be used up on an order that is not paid yet.
  await requireOrder(servers.database, orderId);
  return (await findVerdict(servers.database, command)) ?? refundPaid(servers, refund, command);
}

/**
 * Refunds an order that is known to be paid.
 * @param command the caller's command, which asked for a refund or a cancel.
 */
export async function refundPaid(
  { temporal, database }: Servers,
  refund: RefundCommand,
  command: Command,
): Promise<Order> {
  let outcome = await temporal.requestRefund(refund);
  let order = await findVerdict(database, command);
  if (!order && outcome !== 'pending') {
    // A backup from before the order's refund was restored. If two commands ask for the refund again, the first one recorded counts.
    outcome = await temporal.requestRefund(refund, { restart: true });
    order = await findVerdict(database, command);
  }
  if (order) return order;
  if (outcome === 'pending') throw refundPending(refund.orderId);
  throw new Problem('unavailable', 'The refund was interrupted.');
}

export const refundPending = (orderId: string): Problem =>
  new Problem(
    'refund_pending',
    `The refund of order ${orderId} is not complete yet. It will be, even if nobody asks again.`,
  );
