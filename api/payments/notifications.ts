/** Keeps what the payment provider notifies, and wakes the payment that it is about. */
import type { z } from '@hono/zod-openapi';
import { keepNotification } from '../../db/payments/notifications.ts';
import type { Dependencies } from '../dependencies.ts';
import type { paymentNotificationBody } from '../schemas/payments.ts';
import { wakePayment } from './wake.ts';

/**
 * The same notification is kept once. What it says changes nothing: the payment's workflow asks the provider.
 * @param id the header `webhook-id`.
 */
export async function receiveNotification(
  { database, temporal, logger }: Pick<Dependencies, 'database' | 'temporal' | 'logger'>,
  id: string,
  { type, data }: z.output<typeof paymentNotificationBody>,
): Promise<void> {
  const { paymentId, orderId } = await keepNotification(database, {
    id,
    reference: data.reference,
    providerId: data.id,
    type,
    receivedAt: new Date(),
  });
  if (paymentId === null || orderId === null) return;
  // Nobody waits for it: a minute later, what was not asked about is found anyway.
  wakePayment({ temporal, database }, { paymentId, orderId }).catch((error: unknown) => {
    logger.warn({ err: error, paymentId }, 'could not wake the payment of a notification');
  });
}
