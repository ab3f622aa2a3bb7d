/** Says how a payment stands that stays unknown, for a person who found out, or what becomes of money that is owed of it. */
import type { ResolvePayment } from '../../client/orders.ts';
import type { Payment } from '../../db/payments/payments.ts';
import type { PaymentState } from '../../domain/payments.ts';
import type { Servers } from '../dependencies.ts';
import { readPayment } from '../payments/read.ts';
import { Problem } from '../problems/problem.ts';
import { toActProblem } from './refusals.ts';

/** A payment in one of these is not over, whatever became of its workflow. */
const UNSETTLED: ReadonlySet<PaymentState> = new Set(['pending', 'authorised', 'capturing']);

/**
 * Resolves a payment, and returns it.
 * @param commandId the same at every retry: then it is resolved once.
 * @throws {Problem} when it is known how the payment stands, or it cannot become what the person says.
 */
export async function resolvePayment(
  { temporal, database }: Servers,
  paymentId: string,
  commandId: string,
  resolution: ResolvePayment,
): Promise<Payment> {
  const { orderId } = await readPayment(database, paymentId);
  const outcome = await temporal.resolvePayment(paymentId, commandId, resolution);
  if (outcome.outcome === 'refused') throw toActProblem(outcome);
  const payment = await readPayment(database, paymentId);
  if (outcome.outcome === 'done') return payment;
  if (!UNSETTLED.has(payment.state))
    throw new Problem('payment_not_unknown', `The payment is ${payment.state}.`);
  // Somebody terminated its workflow. It is asked about again, and if nobody knows then, the same decision can be made.
  await temporal.wakePayment({ paymentId, orderId });
  throw new Problem('unavailable', 'The workflow of this payment was stopped, and is started again.');
}
