/** Finds a payment, or refuses the request that names it. */
import type { Database } from '../../db/connection.ts';
import { findPayment, type Payment } from '../../db/payments/payments.ts';
import { Problem } from '../problems/problem.ts';

/** @throws {Problem} `not_found`, also for a payment of somebody else. */
export async function readPayment(database: Database, paymentId: string): Promise<Payment> {
  const payment = await findPayment(database, paymentId);
  if (!payment) throw new Problem('not_found', `There is no payment ${paymentId}.`);
  return payment;
}
