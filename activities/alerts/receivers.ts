/** Which receivers of alerts there are, and what each is posted. */
import type { Notice } from '../../db/monitor/deliveries.ts';
import type { AlertReceiver } from '../../domain/alert-receivers.ts';
import { runbookSection } from '../../domain/runbook.ts';
import type { NoticeRequest } from './notice-request.ts';
import { toPagerDuty, type PagerDuty } from './pagerduty.ts';
import { toSlack } from './slack.ts';
import { toWebhook } from './webhook.ts';

/** The receivers that the settings name. */
export interface AlertReceivers {
  /** Where our own JSON is posted. */
  webhook?: string | undefined;
  /** The address of an incoming webhook. */
  slack?: string | undefined;
  pagerduty?: PagerDuty | undefined;
}

/** @param runbook its address, when the settings have one. */
export function toRequest(
  receiver: AlertReceiver,
  receivers: AlertReceivers,
  notice: Notice,
  runbook: string | undefined,
): NoticeRequest | undefined {
  const link = runbook && runbookSection(runbook, notice.alert.name);
  const { webhook, slack, pagerduty } = receivers;
  switch (receiver) {
    case 'webhook':
      return webhook === undefined ? undefined : toWebhook(webhook, notice, link);
    case 'slack':
      return slack === undefined ? undefined : toSlack(slack, notice, link);
    case 'pagerduty':
      return pagerduty && toPagerDuty(pagerduty, notice, link);
  }
}
