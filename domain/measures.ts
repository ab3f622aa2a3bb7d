/** The words of the monitor: what it measures, when a measure opens an alert, and which runs it watches. */

/** What the monitor measures each minute. */
export const MEASURES = [
  'orders_past_deadline',
  'orders_pending_long',
  'busy_buyers',
  'stock_anomalies',
  'payment_failure_rate',
  'order_latency_p99',
  'database_connections',
  'abnormal_orders',
  'order_success',
  'runs_overdue',
  'webhooks_failing',
  'events_unpublished',
  'payments_unsettled',
] as const;
export type Measure = (typeof MEASURES)[number];

interface AlertRule {
  /** What its value counts; a share is from 0 to 1. */
  unit: 'count' | 'seconds' | 'share';
  /** On which side of its threshold a measure opens an alert. On the threshold itself it opens none. */
  opens: 'above' | 'below';
  /** Unless the setting `ALERT_<MEASURE>` says otherwise. */
  threshold: number;
}

/** When each measure is an alert. The settings of the thresholds are derived from this table. */
export const ALERT_RULES: Readonly<Record<Measure, AlertRule>> = {
  orders_past_deadline: { unit: 'count', opens: 'above', threshold: 0 },
  orders_pending_long: { unit: 'count', opens: 'above', threshold: 10 },
  busy_buyers: { unit: 'count', opens: 'above', threshold: 0 },
  stock_anomalies: { unit: 'count', opens: 'above', threshold: 0 },
  payment_failure_rate: { unit: 'share', opens: 'above', threshold: 0.01 },
  order_latency_p99: { unit: 'seconds', opens: 'above', threshold: 2 },
  database_connections: { unit: 'share', opens: 'above', threshold: 0.8 },
  abnormal_orders: { unit: 'share', opens: 'above', threshold: 0.001 },
  order_success: { unit: 'share', opens: 'below', threshold: 0.995 },
  runs_overdue: { unit: 'count', opens: 'above', threshold: 0 },
  webhooks_failing: { unit: 'count', opens: 'above', threshold: 0 },
  events_unpublished: { unit: 'seconds', opens: 'above', threshold: 60 },
  payments_unsettled: { unit: 'count', opens: 'above', threshold: 0 },
};

export const ALERT_EVENTS = ['opened', 'closed'] as const;
/** What the receiver of alerts is sent. */
export type AlertEvent = (typeof ALERT_EVENTS)[number];

/** The runs that a schedule starts. Each records its end, and checks whether the others end. */
export const RUN_NAMES = [
  'reconcile',
  'stats',
  'monitor',
  'retention',
  'seal',
  'webhooks',
  'payments',
] as const;
export type RunName = (typeof RUN_NAMES)[number];

/** How many measures a run of the monitor took, and which of them crossed their threshold. */
export interface MonitorEnd {
  measured: number;
  crossed: Measure[];
}
