/** Gives a payment up that is not captured yet. */
import type { Payment } from '../../db/payments/payments.ts';
import { requestVoid } from '../../db/steps/payments/request-void.ts';
import type { PaymentState } from '../../domain/payments.ts';
import type { Servers } from '../dependencies.ts';
import { Problem } from '../problems/problem.ts';
import { readPayment } from './read.ts';
import { wakePayment } from './wake.ts';

const VOIDABLE: ReadonlySet<PaymentState> = new Set(['pending', 'authorised', 'voided']);

/**
 * Takes a payment out of what secures its order, and returns it. Its workflow then voids it.
 * @throws {Problem} when its order takes its money, or it is over in another way.
 */
export async function voidPayment(servers: Servers, paymentId: string): Promise<Payment> {
  const { database } = servers;
  const requested = await requestVoid(database, { paymentId, at: new Date().toISOString() });
  const payment = await readPayment(database, paymentId);
  if (!requested || !VOIDABLE.has(requested.state))
    throw new Problem('payment_not_voidable', `The payment is ${payment.state}.`);
  // Not answered before: unless it is woken, it may sleep for long.
  await wakePayment(servers, { paymentId, orderId: requested.orderId });
  return payment;
}
