/** What a payment counts. */
import type { Queryable } from '../postgres.ts';
import { refuseUnless } from './refused.ts';

/** Sets what the payment counts as refunded to what its refunds owe and sent. Returns the number before and after. */
export async function recountPayment(sql: Queryable, paymentId: string): Promise<object> {
  const [payment] = await sql<{ refunded: number }[]>`
    select refunded from payment where id = ${paymentId} for no key update
  `;
  refuseUnless(payment !== undefined, 'The payment is not recorded.');
  const [sum] = await sql<{ refunded: number }[]>`
    select coalesce(sum(amount), 0)::bigint as refunded from refund_payment where payment_id = ${paymentId}
  `;
  const refunded = sum?.refunded ?? 0;
  refuseUnless(refunded !== payment.refunded, `It counts ${refunded}, as its refunds owe and sent.`);
  await sql`update payment set refunded = ${refunded} where id = ${paymentId}`;
  return { refunded: { was: payment.refunded, is: refunded } };
}
