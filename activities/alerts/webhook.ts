/** A notice as JSON of our own. */
import type { Notice } from '../../db/monitor/deliveries.ts';
import { ALERT_RULES } from '../../domain/measures.ts';
import type { NoticeRequest } from './notice-request.ts';

/** A receiver that gets it twice recognizes it by the header `Holdfast-Notice`. */
export function toWebhook(
  url: string,
  { alert, event, at, value, subjects }: Notice,
  runbook: string | undefined,
): NoticeRequest {
  return {
    url,
    headers: { 'holdfast-notice': `${alert.id}-${event}` },
    body: {
      alert: alert.id,
      event,
      name: alert.name,
      value,
      threshold: alert.threshold,
      alertWhen: ALERT_RULES[alert.name].opens,
      subjects,
      at: at.toISOString(),
      openedAt: alert.openedAt.toISOString(),
      ...(runbook !== undefined && { runbook }),
    },
  };
}
