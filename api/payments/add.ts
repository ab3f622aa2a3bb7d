/** Adds a payment to an order: sends it to the order's workflow and answers from what the database recorded. */
import { findOrder } from '../../db/orders.ts';
import { findOpeningRefusal } from '../../db/payments/openings.ts';
import { findPayment, type Payment } from '../../db/payments/payments.ts';
import { keepPaymentSource } from '../../db/payments/sources.ts';
import type { PaymentMethod } from '../../domain/payments.ts';
import type { CommandServers } from '../dependencies.ts';
import { describePart, describeStage } from '../orders/refusals.ts';
import { requirePlaced } from '../orders/require-order.ts';
import { chooseRefusal, throwImmediateRefusal, throwUndecided } from '../orders/verdict.ts';
import { Problem } from '../problems/problem.ts';
import { PROBLEMS } from '../problems/table.ts';

export interface NewPayment {
  orderId: string;
  paymentId: string;
  method: PaymentMethod;
  /** In minor units; left out for all that is not secured yet. */
  amount?: number | undefined;
  /** Of a payment by provider. It is recorded before the payment is, and sent to nobody but the provider. */
  source?: string | undefined;
}

/**
 * Adds a payment and returns it as it is a few seconds later at most.
 * @param waitedMs how much of the request's time is already spent.
 * @throws {Problem} when the payment is refused or declined; the order then awaits payment until its deadline.
 */
export async function addPayment(
  servers: CommandServers,
  payment: NewPayment,
  waitedMs: number,
): Promise<Payment> {
  const { temporal, database, caller } = servers;
  const { orderId, paymentId, method, amount, source } = payment;
  const before = await findVerdict(servers, payment);
  if (before) return before;

  if (source !== undefined) await keepPaymentSource(database, { paymentId, shopId: caller.shop, source });
  const command = { paymentId, method, ...(amount !== undefined && { amount }) };
  const outcome = await temporal.addPayment(orderId, command, waitedMs);
  throwImmediateRefusal(outcome);
  const after = await findVerdict(servers, payment);
  if (after) return after;
  // The order ends, or takes the money of other payments. How that ends is not recorded yet.
  if (outcome.outcome === 'refused')
    throw new Problem('order_busy', outcome.detail ?? PROBLEMS[outcome.reason].title);
  return throwUndecided(database, orderId, outcome);
}

/**
 * Returns the payment if it was opened, and undefined while it still may be. Runs before every answer that is kept.
 * @throws {Problem} why it was declined, or was not opened and never will be.
 */
async function findVerdict(
  servers: CommandServers,
  { orderId, paymentId }: NewPayment,
): Promise<Payment | undefined> {
  const { database } = servers;
  const order = await findOrder(database, orderId);
  if (!order) {
    await requirePlaced(servers, orderId);
    return undefined;
  }
  // Read after the order: what was opened before the order reached this stage is visible.
  const payment = await findPayment(database, paymentId);
  if (payment?.state === 'declined') throw declined(payment);
  if (payment) return payment;
  const refusal = await findOpeningRefusal(database, { orderId, paymentId });
  if (refusal === 'payment_exceeds_total') throw new Problem(refusal, describePart(order), { orderId });
  if (refusal === 'too_many_payments') throw new Problem(refusal, PROBLEMS[refusal].title, { orderId });
  if (order.stage !== 'awaiting_payment')
    throw new Problem(chooseRefusal(order.stage, 'order_not_payable'), describeStage(order));
  return undefined;
}

function declined({ id: paymentId, orderId, reason, amount, currency }: Payment): Problem {
  const named = { orderId, paymentId };
  return reason === 'insufficient_funds'
    ? new Problem(reason, `The order's wallet does not have ${amount} ${currency}, in minor units.`, named)
    : new Problem('payment_declined', `The payment was declined: ${reason ?? 'no reason was given'}`, named);
}
