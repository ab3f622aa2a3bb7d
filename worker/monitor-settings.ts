import type { MonitorSettings } from '../activities/monitor.ts';
import type { WorkerSettings } from '../settings.ts';

/** What the monitor needs of the worker's settings. */
export const monitorSettings = (settings: WorkerSettings): MonitorSettings => ({
  pendingLongAfter: settings.PENDING_LONG_AFTER,
  busyBuyerPayments: settings.BUSY_BUYER_PAYMENTS,
  busyBuyerAmount: settings.BUSY_BUYER_AMOUNT,
  runEvery: {
    reconcile: settings.RECONCILE_EVERY,
    stats: settings.STATS_EVERY,
    monitor: settings.MONITOR_EVERY,
  },
  taskQueue: settings.TASK_QUEUE,
  webhookUrl: settings.ALERT_WEBHOOK_URL,
  thresholds: {
    orders_past_deadline: settings.ALERT_ORDERS_PAST_DEADLINE,
    orders_pending_long: settings.ALERT_ORDERS_PENDING_LONG,
    busy_buyers: settings.ALERT_BUSY_BUYERS,
    stock_anomalies: settings.ALERT_STOCK_ANOMALIES,
    payment_failure_rate: settings.ALERT_PAYMENT_FAILURE_RATE,
    order_latency_p99: settings.ALERT_ORDER_LATENCY_P99,
    database_connections: settings.ALERT_DATABASE_CONNECTIONS,
    abnormal_orders: settings.ALERT_ABNORMAL_ORDERS,
    order_success: settings.ALERT_ORDER_SUCCESS,
    runs_overdue: settings.ALERT_RUNS_OVERDUE,
  },
});
