/** Reads why an order opened no payment. Only the step in steps/payments/open-payment.ts writes it. */
import { REFUSAL_REASONS, type RefusalReason } from '../../domain/order.ts';
import type { Database } from '../connection.ts';

/** Undefined when the payment was opened, or nothing is recorded of it. */
export async function findOpeningRefusal(
  database: Database,
  { orderId, paymentId }: { orderId: string; paymentId: string },
): Promise<RefusalReason | undefined> {
  const [recorded] = await database.run(
    ({ sql }) => sql<{ reason: string | null }[]>`
      select reason from order_step
      where order_id = ${orderId} and step = 'openPayment' and command_id = ${paymentId}
    `,
  );
  return REFUSAL_REASONS.find((known) => known === recorded?.reason);
}
