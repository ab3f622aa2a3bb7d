/** The part of the worker's settings that the monitor needs. */
import type { MonitorSettings } from '../activities/monitor.ts';
import { runbookOf } from '../domain/runbook.ts';
import type { WorkerSettings } from '../settings.ts';

export const monitorSettings = (settings: WorkerSettings): MonitorSettings => ({
  pendingLongAfter: settings.PENDING_LONG_AFTER,
  busyBuyerPayments: settings.BUSY_BUYER_PAYMENTS,
  busyBuyerAmount: settings.BUSY_BUYER_AMOUNT,
  runEvery: {
    reconcile: settings.RECONCILE_EVERY,
    stats: settings.STATS_EVERY,
    monitor: settings.MONITOR_EVERY,
    retention: settings.RETENTION_EVERY,
    seal: settings.SEAL_EVERY,
    webhooks: settings.WEBHOOKS_EVERY,
    payments: settings.PAYMENTS_EVERY,
  },
  taskQueue: settings.TASK_QUEUE,
  receivers: {
    webhook: settings.ALERT_WEBHOOK_URL,
    slack: settings.ALERT_SLACK_URL,
    pagerduty:
      settings.ALERT_PAGERDUTY_KEY === undefined
        ? undefined
        : { url: settings.ALERT_PAGERDUTY_URL, key: settings.ALERT_PAGERDUTY_KEY },
  },
  runbook: runbookOf(settings.OPERATIONS_URL),
  thresholds: settings.thresholds,
});
