/** A notice as an event of PagerDuty's Events API v2: an alert triggers an incident when it opens, and resolves it when it closes. */
import type { Notice } from '../../db/monitor/deliveries.ts';
import { ALERT_RULES, type Measure } from '../../domain/measures.ts';
import type { NoticeRequest } from './notice-request.ts';
import { summarize } from './words.ts';

export interface PagerDuty {
  url: string;
  /** The routing key of an integration. */
  key: string;
}

type Severity = 'critical' | 'error' | 'warning';

/** Critical: buyers cannot order, or money or stock may be wrong. Error: it becomes so. */
const SEVERITY: Readonly<Record<Measure, Severity>> = {
  orders_past_deadline: 'critical',
  orders_pending_long: 'warning',
  busy_buyers: 'warning',
  stock_anomalies: 'critical',
  payment_failure_rate: 'error',
  order_latency_p99: 'error',
  database_connections: 'error',
  abnormal_orders: 'error',
  order_success: 'critical',
  runs_overdue: 'error',
  webhooks_failing: 'warning',
  events_unpublished: 'error',
  payments_unsettled: 'error',
};

export function toPagerDuty(
  { url, key }: PagerDuty,
  notice: Notice,
  runbook: string | undefined,
): NoticeRequest {
  const { alert, event, at, value, subjects } = notice;
  return {
    url,
    body: {
      routing_key: key,
      event_action: event === 'opened' ? 'trigger' : 'resolve',
      // The same event twice is one incident.
      dedup_key: `holdfast-${alert.id}`,
      payload: {
        summary: summarize(notice),
        source: 'holdfast',
        component: alert.name,
        severity: SEVERITY[alert.name],
        timestamp: at.toISOString(),
        custom_details: {
          value,
          threshold: alert.threshold,
          alertWhen: ALERT_RULES[alert.name].opens,
          subjects,
        },
      },
      ...(runbook !== undefined && { links: [{ href: runbook, text: 'What to do' }] }),
    },
  };
}
