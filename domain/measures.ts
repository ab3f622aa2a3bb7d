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
] as const;
export type Measure = (typeof MEASURES)[number];

/** On which side of its threshold a measure opens an alert. Exactly on the threshold it does not. */
export const ALERT_WHEN: Readonly<Record<Measure, 'above' | 'below'>> = {
  orders_past_deadline: 'above',
  orders_pending_long: 'above',
  busy_buyers: 'above',
  stock_anomalies: 'above',
  payment_failure_rate: 'above',
  order_latency_p99: 'above',
  database_connections: 'above',
  abnormal_orders: 'above',
  order_success: 'below',
  runs_overdue: 'above',
};

export const ALERT_EVENTS = ['opened', 'closed'] as const;
/** What the receiver of alerts is sent. */
export type AlertEvent = (typeof ALERT_EVENTS)[number];

/** The runs that a schedule starts. Each records its end, and checks whether the others end. */
export const RUN_NAMES = ['reconcile', 'stats', 'monitor'] as const;
export type RunName = (typeof RUN_NAMES)[number];

/** How many measures a run of the monitor took, and which of them crossed their threshold. */
export interface MonitorEnd {
  measured: number;
  crossed: Measure[];
}
