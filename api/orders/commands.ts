/**
 * What becomes of an order's commands. The order's workflow decides what happens next; what a caller hears is what the database
 * recorded of his command, whatever the workflow says: after a crash or a reset a new run may take commands in another order, and
 * knows nothing of what an earlier one did.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Database } from '../../db/connection.ts';
import { findOrder, findPaymentOutlook, isRecorded, type Order } from '../../db/orders.ts';
import { refusePayment } from '../../db/steps/skip-payment.ts';
import { PAYMENT_LIMITS, PAYMENT_SKIPPED, type RefusalReason } from '../../domain/order.ts';
import type { RefundInput } from '../../domain/order.ts';
import type { RestingStage } from '../../domain/stages.ts';
import type { Dependencies } from '../dependencies.ts';
import type { CancelCommand, CommandOutcome, NewOrder } from '../../client/orders.ts';
import { Problem } from '../problems/problem.ts';
import { PROBLEMS, type ProblemCode } from '../problems/table.ts';
import { refusal, rejection, standing } from './refusals.ts';

type Servers = Pick<Dependencies, 'temporal' | 'database'>;

/** A refund that a caller asked for. */
export type RefundCommand = RefundInput & { commandId: string };

/** A command, as the database is asked about it. */
interface Asked {
  orderId: string;
  commandId: string;
  /** Stages in which it may still have its effect. */
  open: readonly RestingStage[];
  /** Why it is refused in a stage for which there is no better reason. */
  otherwise: ProblemCode;
}

/**
 * What is final about a command: the order when this command had its effect; undefined as long as it may still have it. Asked before
 * every answer that is kept.
 * @throws {Problem} the refusal, when this command had no effect and never will.
 */
async function findVerdict(
  database: Database,
  { orderId, commandId, open, otherwise }: Asked,
): Promise<Order | undefined> {
  const order = await findOrder(database, orderId);
  // An order that waits for its payment has been moved by no command yet.
  if (!order || (order.stage === 'awaiting_payment' && open.includes(order.stage))) return undefined;
  // Asked after the order was read: what moved the order to this stage is there to be found.
  if (await isRecorded(database, orderId, commandId))
    // Recorded between the two reads: what was read first is how the order stood before.
    return open.includes(order.stage) ? existing(database, orderId) : order;
  if (open.includes(order.stage)) return undefined;
  throw new Problem(refusalIn(order.stage, otherwise), standing(order));
}

function refusalIn(stage: RestingStage, otherwise: ProblemCode): ProblemCode {
  if (otherwise === 'order_not_refundable') return otherwise;
  if (stage === 'expired') return 'order_expired';
  return stage === 'cancelled' ? 'order_cancelled' : otherwise;
}

/**
 * Places an order and returns it as it stands.
 * @throws {Problem} when it was rejected, or cancelled before its reservation was answered.
 */
export async function placeOrder({ temporal, database }: Dependencies, input: NewOrder): Promise<Order> {
  let answer = await temporal.place(input);
  let order = await findOrder(database, input.orderId);
  if (answer === 'ended' && (!order || order.stage === 'awaiting_payment')) {
    // Its workflow was reset, or terminated before this was answered. What it recorded, or a late attempt does, is found by the
    // new one.
    answer = await temporal.place(
      { ...input, ...(order && { deadline: order.paymentDeadline.toISOString() }) },
      { restart: true },
    );
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
 * @param waitedMs what has gone of the request's time already.
 * @throws {Problem} when it is refused; `insufficient_funds` leaves the order open until its deadline.
 */
export async function payOrder(
  { temporal, database }: Servers,
  orderId: string,
  commandId: string,
  waitedMs: number,
): Promise<Order> {
  const payment: Asked = { orderId, commandId, open: ['awaiting_payment'], otherwise: 'order_not_payable' };
  const before = await findPaymentOutlook(database, { orderId, commandId, limit: PAYMENT_LIMITS.refused });
  if (before?.isDecided || (before && before.stage !== 'awaiting_payment'))
    return payRecorded(database, payment, before.reason);
  if (before && !before.funded && before.refused >= PAYMENT_LIMITS.refused)
    throw new Problem('too_many_refused_payments', `${before.refused} payments of this order were refused.`);

  const outcome = await temporal.pay(orderId, { commandId, funded: before?.funded ?? false }, waitedMs);
  refuseForNow(outcome);
  const reason =
    outcome.outcome === 'refused' ? await refusePayment(database, payment, outcome.reason) : null;
  return payRecorded(database, payment, reason ?? null, outcome);
}

/** Answers a payment by what is recorded of it: why it was refused, or else how its order stands. */
async function payRecorded(
  database: Database,
  payment: Asked,
  reason: string | null,
  outcome?: CommandOutcome,
): Promise<Order> {
  if (reason === PAYMENT_SKIPPED)
    throw new Problem(payment.otherwise, 'An operator skipped this payment, and it takes no money.');
  const own = OWN_REFUSALS.find((known) => known === reason);
  if (own) throw await refusal(database, await existing(database, payment.orderId), { reason: own });
  const order = await findVerdict(database, payment);
  if (order) return order;
  // The order was not recorded when its workflow refused the payment, so that no attempt to take it can be on its way.
  if (outcome?.outcome === 'refused') throw problemOf(outcome);
  return failUndecided(database, payment.orderId, outcome);
}

/** Refusals that stay true whatever becomes of the order. The others say no more than how the order stood. */
const OWN_REFUSALS = [
  'insufficient_funds',
  'order_expired',
  'order_cancelled',
] as const satisfies readonly RefusalReason[];

/**
 * Cancels an order and returns it. One that is paid is refunded, and its units go back on hand.
 * @param waitedMs what has gone of the request's time already.
 * @throws {Problem} when it is refused.
 */
export async function cancelOrder(
  { temporal, database, attentionAfter }: Pick<Dependencies, keyof Servers | 'attentionAfter'>,
  orderId: string,
  command: CancelCommand,
  waitedMs: number,
): Promise<Order> {
  const { commandId } = command;
  const cancel: Asked = {
    orderId,
    commandId,
    open: ['awaiting_payment', 'paid'],
    otherwise: 'order_not_cancellable',
  };
  const before = await findVerdict(database, cancel);
  if (before) return before;

  const outcome = await temporal.cancel(orderId, command, waitedMs);
  refuseForNow(outcome);
  const isClosing = outcome.outcome === 'refused';
  const after = isClosing
    ? await waitForEnd(database, cancel, outcome.reason)
    : await findVerdict(database, cancel);
  if (after) return after;

  const order = await findOrder(database, orderId);
  if (order?.stage !== 'paid') return failUndecided(database, orderId, outcome);
  // Its workflow does what this cancel or another one asked for, and refunds it.
  const isRefunding =
    outcome.outcome === 'done'
      ? outcome.stage === 'refunding'
      : isClosing && outcome.reason === 'order_cancelled';
  if (isRefunding) throw refundPending(orderId);
  return refundPaid({ temporal, database }, { ...command, orderId, restock: true, attentionAfter }, cancel);
}

/**
 * Refunds a paid order and returns it.
 * @throws {Problem} when it is not paid, or was refunded by another command.
 */
export async function refundOrder(servers: Servers, refund: RefundCommand): Promise<Order> {
  const { orderId, commandId } = refund;
  // An order has one refund workflow at a time: it must not be spent on an order that is not paid yet.
  const asked: Asked = { orderId, commandId, open: ['paid'], otherwise: 'order_not_refundable' };
  await existing(servers.database, orderId);
  return (await findVerdict(servers.database, asked)) ?? refundPaid(servers, refund, asked);
}

async function refundPaid(
  { temporal, database }: Servers,
  refund: RefundCommand,
  asked: Asked,
): Promise<Order> {
  let outcome = await temporal.requestRefund(refund);
  let order = await findVerdict(database, asked);
  if (!order && outcome !== 'pending') {
    // A backup from before the order's refund was restored. Of two commands that ask for it again, the first one recorded counts.
    outcome = await temporal.requestRefund(refund, { restart: true });
    order = await findVerdict(database, asked);
  }
  if (order) return order;
  if (outcome === 'pending') throw refundPending(refund.orderId);
  throw new Problem('unavailable', 'The refund was interrupted.');
}

const refundPending = (orderId: string): Problem =>
  new Problem(
    'refund_pending',
    `The refund of order ${orderId} is not made yet. It will be, also if nobody asks again.`,
  );

/** @throws {Problem} when the workflow refused a command for what it is, or for now. */
function refuseForNow(outcome: CommandOutcome): void {
  if (outcome.outcome === 'malformed') throw new Problem('validation_failed', outcome.detail);
  if (outcome.outcome !== 'refused') return;
  const problem = problemOf(outcome);
  if (problem.kind.isFinal === false) throw problem;
}

const problemOf = ({ reason, detail }: { reason: RefusalReason; detail?: string }): Problem =>
  new Problem(reason, detail ?? PROBLEMS[reason].title);

/** @throws {Problem} always: nothing is known to be done, or to be impossible. */
async function failUndecided(
  database: Database,
  orderId: string,
  outcome: CommandOutcome | undefined,
): Promise<never> {
  if (outcome?.outcome !== 'ended') throw new Problem('unavailable', 'The order is just being closed.');
  await existing(database, orderId);
  // Somebody terminated the workflow. Once it runs again, the same command goes through.
  throw new Problem('unavailable', 'The workflow of this order was stopped. Reconciliation starts it again.');
}

/** @throws {Problem} `not_found`. */
async function existing(database: Database, orderId: string): Promise<Order> {
  const order = await findOrder(database, orderId);
  if (!order) throw new Problem('not_found', `There is no order ${orderId}.`);
  return order;
}

/** Giving back takes some milliseconds when all is well. */
const CLOSING = { pauseMs: 50, looks: 40 } as const;

/** The verdict on a cancel that its order refuses because something else is about to end it: until that is recorded, a payment may win. */
async function waitForEnd(
  database: Database,
  cancel: Asked,
  reason: RefusalReason,
): Promise<Order | undefined> {
  for (let look = 0; look < CLOSING.looks; look += 1) {
    const order = await findVerdict(database, cancel);
    if (order) return order;
    // Paid, and its workflow has nothing more to do but to write its notes.
    const isPaid =
      reason !== 'order_cancelled' && (await findOrder(database, cancel.orderId))?.stage === 'paid';
    if (isPaid) return undefined;
    await sleep(CLOSING.pauseMs);
  }
  return undefined;
}
