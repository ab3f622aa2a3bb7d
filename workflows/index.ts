/**
 * The workflows that a worker runs: what happens next in an order's life, and nothing else. Code here runs again at every
 * replay, so it may import only @temporalio/workflow, its neighbours, domain/ and types, and must take the same steps each time.
 */
export { deliverAlerts } from './alerts.ts';
export { monitor } from './monitor.ts';
export { refund } from './order/refund.ts';
export { order } from './order/workflow.ts';
export { payment } from './payments/payment.ts';
export { payments } from './payments/payments.ts';
export { reconcile } from './reconcile.ts';
export { retention } from './retention.ts';
export { seal } from './seal.ts';
export { stats } from './stats.ts';
export { deliverWebhook } from './webhook.ts';
export { webhooks } from './webhooks.ts';
