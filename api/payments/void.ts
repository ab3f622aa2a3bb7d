/** Gives a payment up that is not captured yet. */
import { findPayment, type Payment } from '../../db/payments/payments.ts';
import { requestVoid } from '../../db/steps/payments/request-void.ts';
import type { Servers } from '../dependencies.ts';
import { Problem } from '../problems/problem.ts';

/** @throws {Problem} `not_found`. */
export async function requirePayment(database: Servers['database'], paymentId: string): Promise<Payment> {
  const payment = await findPayment(database, paymentId);
  if (!payment) throw new Problem('not_found', `There is no payment ${paymentId}.`);
  return payment;
}

/**
 * Takes a payment out of what secures its order, and returns it. Its workflow then voids it.
 * @throws {Problem} when its order takes its money, or it is over in another way.
 */
export async function voidPayment({ temporal, database }: Servers, paymentId: string): Promise<Payment> {
  const requested = await requestVoid(database, { paymentId, at: new Date().toISOString() });
  const payment = await requirePayment(database, paymentId);
  if (!requested || !VOIDABLE.has(requested.state))
    throw new Problem('payment_not_voidable', `The payment is ${payment.state}.`);
  // Not before it is woken: it might sleep for minutes.
  await temporal.wakePayment({ paymentId, orderId: requested.orderId });
  return payment;
}

const VOIDABLE: ReadonlySet<string> = new Set(['pending', 'authorised', 'voided']);
