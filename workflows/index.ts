/**
 * The workflows that a worker runs: what happens next in an order's life, and nothing else. Code here runs again at every
 * replay, so it may import only @temporalio/workflow, its neighbours and types, and must take the same steps each time.
 */
export { deliverAlerts } from './alerts.ts';
export { monitor } from './monitor.ts';
export { order } from './order/workflow.ts';
export { reconcile } from './reconcile.ts';
export { refund } from './refund.ts';
export { stats } from './stats.ts';
