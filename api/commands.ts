/**
 * What becomes of an order's commands. The order's workflow decides; once it has ended, the database tells how the order
 * stands, and a command that was carried out before its caller heard of it is answered as the first time.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Database } from '../db/connection.ts';
import { findOrder, isRecorded, type Order } from '../db/orders.ts';
import type { CancelCommand, OrderInput, RefundInput } from '../workflows/contract.ts';
import type { Dependencies } from './dependencies.ts';
import type { CommandOutcome } from './orchestration.ts';
import { Problem, type ProblemCode } from './problems.ts';
import { refusal, rejection, standing } from './refusals.ts';

/** A paid order's workflow that still writes its notes cannot be cancelled, but the order can be refunded. */
const CLOSED = ['order_expired', 'order_cancelled', 'order_not_cancellable'] as const;

type ClosedOutcome =
  { outcome: 'ended' } | { outcome: 'refused'; reason: (typeof CLOSED)[number]; detail?: string };

/** A refund that a caller asked for. */
export type RefundCommand = RefundInput & { commandId: string };

/**
 * Places an order and returns it as it stands.
 * @throws {Problem} when it was rejected, or cancelled before its reservation was answered.
 */
export async function placeOrder({ temporal, database }: Dependencies, input: OrderInput): Promise<Order> {
  let answer = await temporal.place(input);
  let order = await findOrder(database, input.orderId);
  if (answer === 'ended' && (!order || order.stage === 'awaiting_payment')) {
    // Its workflow was reset, or terminated before this was answered. What it recorded, or a late attempt does, is found by the
    // new one.
    answer = await temporal.placeAgain({
      ...input,
      ...(order && { deadline: order.paymentDeadline.toISOString() }),
    });
    order = await findOrder(database, input.orderId);
  }
  if (!order) throw new Problem('unavailable', 'The order was interrupted while it was placed.');
  if (order.stage === 'rejected') throw await rejection(database, order);
  const unanswered = answer === 'ended' ? order.version === 1 : answer.stage === 'cancelled';
  if (order.stage === 'cancelled' && unanswered)
    throw new Problem('order_cancelled', standing(order), { orderId: order.id });
  // Anything else that happened to the order since, it was placed.
  return order;
}

/**
 * Pays an order and returns it.
 * @throws {Problem} when it is refused; `insufficient_funds` leaves the order open until its deadline.
 */
export async function payOrder(
  { temporal, database }: Dependencies,
  orderId: string,
  commandId: string,
): Promise<Order> {
  const outcome = await temporal.pay(orderId, commandId);
  if (!isClosed(outcome)) return answered(database, orderId, outcome);

  const order = await closed(database, orderId, outcome);
  if (await isRecorded(database, orderId, commandId)) return order;
  throw new Problem(refusalAfterEnd(order, 'order_not_payable'), standing(order));
}

/**
 * Cancels an order and returns it. One that is paid is refunded, and its units go back on hand.
 * @throws {Problem} when it is refused.
 */
export async function cancelOrder(
  { temporal, database, attentionAfter }: Dependencies,
  orderId: string,
  command: CancelCommand,
): Promise<Order> {
  const outcome = await temporal.cancel(orderId, command);
  if (!isClosed(outcome)) return answered(database, orderId, outcome);

  const order = await closed(database, orderId, outcome);
  if (await isRecorded(database, orderId, command.commandId)) return order;
  if (order.stage === 'paid')
    return refundPaid(
      { temporal, database },
      { ...command, orderId, restock: true, attentionAfter },
      'order_not_cancellable',
    );
  throw new Problem(refusalAfterEnd(order, 'order_not_cancellable'), standing(order));
}

/**
 * Refunds a paid order and returns it.
 * @throws {Problem} when it is not paid, or was refunded by another command.
 */
export async function refundOrder(
  { temporal, database }: Dependencies,
  refund: RefundCommand,
): Promise<Order> {
  const order = await existing(database, refund.orderId);
  // An order has one refund workflow for ever: it must not be spent on an order that is not paid yet.
  if (order.stage === 'paid') return refundPaid({ temporal, database }, refund, 'order_not_refundable');
  if (await isRecorded(database, refund.orderId, refund.commandId)) return order;
  throw new Problem('order_not_refundable', standing(order));
}

async function refundPaid(
  { temporal, database }: Pick<Dependencies, 'temporal' | 'database'>,
  refund: RefundCommand,
  code: ProblemCode,
): Promise<Order> {
  const outcome = await temporal.refund(refund);
  const order = await recorded(database, refund.orderId);
  if (outcome.outcome === 'done' && order.stage === 'paid')
    return refundLost({ temporal, database }, refund, code);
  if (outcome.outcome === 'refused') throw new Problem(code, outcome.detail);
  if (outcome.commandId !== refund.commandId) throw new Problem(code, standing(order));
  return order;
}

/** A backup from before the order's refund was restored. Of two commands that ask for it again, the first one recorded counts. */
async function refundLost(
  { temporal, database }: Pick<Dependencies, 'temporal' | 'database'>,
  refund: RefundCommand,
  code: ProblemCode,
): Promise<Order> {
  await temporal.refundAgain(refund);
  const order = await recorded(database, refund.orderId);
  if (await isRecorded(database, refund.orderId, refund.commandId)) return order;
  throw new Problem(code, standing(order));
}

async function answered(
  database: Database,
  orderId: string,
  outcome: Exclude<CommandOutcome, { outcome: 'ended' }>,
): Promise<Order> {
  const order = await recorded(database, orderId);
  if (outcome.outcome === 'refused') throw await refusal(database, order, outcome);
  return order;
}

/** @throws {Problem} `not_found`. */
async function existing(database: Database, orderId: string): Promise<Order> {
  const order = await findOrder(database, orderId);
  if (!order) throw new Problem('not_found', `There is no order ${orderId}.`);
  return order;
}

/** An order that a workflow has just answered for. */
async function recorded(database: Database, orderId: string): Promise<Order> {
  const order = await findOrder(database, orderId);
  if (!order) throw new Error(`Temporal answered for order ${orderId}, and the database does not have it.`);
  return order;
}

/**
 * Whether the order's workflow has ended, or refuses everything because it will. Then the database tells how the order
 * stands: a worker can carry a command out and die before Temporal hears that it was accepted, and the workflow, which
 * knows nothing of it, refuses the retry once the deadline has passed.
 */
function isClosed(outcome: CommandOutcome): outcome is ClosedOutcome {
  if (outcome.outcome === 'ended') return true;
  return outcome.outcome === 'refused' && CLOSED.some((reason) => reason === outcome.reason);
}

/** An order whose workflow {@link isClosed}. */
async function closed(database: Database, orderId: string, { outcome }: ClosedOutcome): Promise<Order> {
  if (outcome === 'refused') return closing(database, orderId);
  const order = await existing(database, orderId);
  if (order.stage !== 'awaiting_payment') return order;
  // Somebody terminated the workflow. Once it runs again, the same command goes through.
  throw new Problem('unavailable', 'The workflow of this order was stopped. Reconciliation starts it again.');
}

/** Giving back takes some milliseconds when all is well. */
const CLOSING = { pauseMs: 50, looks: 40 } as const;

/** An order that its workflow is about to close, once that is recorded: until then a payment may still win. */
async function closing(database: Database, orderId: string): Promise<Order> {
  for (let look = 0; look < CLOSING.looks; look += 1) {
    const order = await findOrder(database, orderId);
    if (order && order.stage !== 'awaiting_payment') return order;
    await sleep(CLOSING.pauseMs);
  }
  throw new Problem('unavailable', 'The order is just being closed.');
}

function refusalAfterEnd({ stage }: Order, otherwise: ProblemCode): ProblemCode {
  if (stage === 'expired') return 'order_expired';
  if (stage === 'cancelled') return 'order_cancelled';
  return otherwise;
}
