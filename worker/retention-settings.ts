/** What the settings say about how long each is kept. */
import type { RetentionSettings } from '../activities/retention.ts';
import type { WorkerSettings } from '../settings.ts';

export const retentionSettings = (settings: WorkerSettings): RetentionSettings => ({
  orderEvents: settings.ORDER_EVENTS_KEPT_FOR,
  audit: settings.AUDIT_KEPT_FOR,
  measurements: settings.MEASUREMENTS_KEPT_FOR,
  idempotencyKeys: settings.IDEMPOTENCY_RETENTION,
  webhookDeliveries: settings.WEBHOOK_DELIVERIES_KEPT_FOR,
  paymentNotifications: settings.PAYMENT_NOTIFICATIONS_KEPT_FOR,
});
