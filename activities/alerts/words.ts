/** What a notice says to a person. */
import type { Notice } from '../../db/monitor/deliveries.ts';
import { ALERT_RULES, type Measure } from '../../domain/measures.ts';

/** What a measure counts, as the subject of a sentence. */
export const COUNTED: Readonly<Record<Measure, string>> = {
  orders_past_deadline: 'Orders that still wait a minute after their deadline',
  orders_pending_long: 'Orders that have waited for payment for long',
  busy_buyers: 'Buyers with many payments or a large sum in an hour',
  stock_anomalies: 'SKUs whose units do not add up',
  payment_failure_rate: 'Share of the last hour\u2019s payments that were refused',
  order_latency_p99: 'Time from an order\u2019s request to its reservation',
  database_connections: 'Share of PostgreSQL\u2019s connections in use',
  abnormal_orders: 'Share of the last hour\u2019s orders that need a person',
  order_success: 'Share of the last hour\u2019s requests for an order that were answered',
  runs_overdue: 'Background runs that do not end',
  webhooks_failing: 'Webhooks of shops that take nothing',
  events_unpublished: 'Time that the oldest unpublished event has waited',
  payments_unsettled: 'Payments that have been under way for over an hour',
};

/** As a person reads it: a share in percent, a time in seconds. */
export function format(name: Measure, value: number): string {
  const { unit } = ALERT_RULES[name];
  if (unit === 'count') return String(value);
  const rounded = (digits: number, factor: number): string =>
    String(Math.round(value * factor * 10 ** digits) / 10 ** digits);
  return unit === 'share' ? `${rounded(2, 100)} %` : `${rounded(1, 1)} s`;
}

/** One line: what opened or closed, its value, and its threshold. */
export function summarize({ alert: { name, threshold }, event, value }: Notice): string {
  const { opens } = ALERT_RULES[name];
  const shown = format(name, value);
  const limit = format(name, threshold);
  return event === 'opened'
    ? `${COUNTED[name]}: ${shown}, ${opens} ${limit}`
    : `Over: ${COUNTED[name]}: ${shown}, no longer ${opens} ${limit}`;
}
