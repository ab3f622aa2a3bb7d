/** Refunds a paid order, or a part of it. Each refund has a workflow of its own: the database knows which took effect. */
import { countWaitingRefunds } from '../../db/attention.ts';
import type { Database } from '../../db/connection.ts';
import type { Order } from '../../db/orders.ts';
import { REFUNDS_WAITING, type RefundInput } from '../../domain/order.ts';
import type { Servers } from '../dependencies.ts';
import { Problem } from '../problems/problem.ts';
import { explainRefusedRefund } from './refund-refusals.ts';
import { requireOrder } from './require-order.ts';
import { findVerdict, type Command } from './verdict.ts';

/** A refund that a caller asked for. */
export type RefundCommand = RefundInput & { commandId: string };

/** How a command was asked for. */
export interface Asked {
  /** Whether it may have been before. */
  isRetry: boolean;
  /** How much of the request's time is already spent. */
  waitedMs: number;
}

/**
 * Refunds a paid order, or a part of it, and returns the order.
 * @throws {Problem} when the order is not paid, or less of it is left.
 */
export async function refundOrder(servers: Servers, refund: RefundCommand, asked: Asked): Promise<Order> {
  const { orderId, commandId } = refund;
  const command: Command = {
    orderId,
    commandId,
    openStages: ['paid'],
    refusal: 'order_not_refundable',
    explain: (order) => explainRefusedRefund(servers.database, order, refund),
  };
  // Nothing is started for an order that is not paid yet.
  const order = await requireOrder(servers.database, orderId);
  return (await findVerdict(servers.database, command)) ?? refundPaid(servers, refund, command, order, asked);
}

/**
 * Refunds an order that is known to be paid.
 * @param command the caller's command, which asked for a refund or a cancel.
 * @param owner whose the order is.
 */
export async function refundPaid(
  { temporal, database }: Servers,
  refund: RefundCommand,
  command: Command,
  { shopId, buyerId }: Pick<Order, 'shopId' | 'buyerId'>,
  asked: Asked,
): Promise<Order> {
  const options = { ...asked, owner: { shopId, buyerId } };
  if (!asked.isRetry) await refuseCrowd(database, refund.orderId);
  let outcome = await temporal.requestRefund(refund, options);
  let order = await findVerdict(database, command);
  if (!order && outcome !== 'pending') {
    // Its workflow ended without it, or a backup from before it was restored.
    outcome = await temporal.requestRefund(refund, { ...options, restart: true });
    order = await findVerdict(database, command);
  }
  if (order) return order;
  if (outcome === 'pending') throw refundPending(refund.orderId);
  throw new Problem('unavailable', 'The refund was interrupted.');
}

/** @throws {Problem} `order_busy` when many refunds of the order wait for room in its wallet. */
async function refuseCrowd(database: Database, orderId: string): Promise<void> {
  if ((await countWaitingRefunds(database, orderId)) >= REFUNDS_WAITING)
    throw new Problem(
      'order_busy',
      `${REFUNDS_WAITING} refunds of this order wait for room in its wallet. Send one of them again, with its key.`,
    );
}

export const refundPending = (orderId: string): Problem =>
  new Problem(
    'refund_pending',
    `The refund of order ${orderId} is not complete yet. It will be, even if nobody asks again.`,
  );
