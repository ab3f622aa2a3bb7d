/** Answers for an order that was placed to be paid at once. Its own id is the payment's command. */
import { findPaymentOutlook, type Order } from '../../db/orders.ts';
import { PAYMENT_LIMITS } from '../../domain/order.ts';
import type { CommandServers } from '../dependencies.ts';
import { Problem } from '../problems/problem.ts';
import { payOrder } from './pay.ts';
import { requireOrder } from './require-order.ts';

/**
 * Returns the order once its payment is decided: as a rule its workflow has done that already. The workflow of an order that was started
 * again by reconciliation knows nothing of the payment, which is then sent to it as any other.
 * @param waitedMs how much of the request's time is already spent.
 * @throws {Problem} when the payment is refused; `insufficient_funds` leaves the order open until its deadline. Names the order.
 */
export async function requirePayment(
  servers: CommandServers,
  { id: orderId }: Pick<Order, 'id'>,
  waitedMs: number,
): Promise<Order> {
  const outlook = await findPaymentOutlook(servers.database, {
    orderId,
    commandId: orderId,
    limit: PAYMENT_LIMITS.refused,
  });
  // Whatever has happened to the order since, it was paid.
  if (outlook?.isDecided && outlook.reason === null) return requireOrder(servers.database, orderId);
  try {
    return await payOrder(servers, orderId, orderId, waitedMs);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const { code, message, details, retryAfter } = error;
    throw new Problem(
      code,
      message,
      { ...details, orderId },
      { cause: error, ...(retryAfter !== undefined && { retryAfter }) },
    );
  }
}
