/** The events of orders, as they come by webhook, by stream and by the feed. */
import type { Event } from './generated/types.ts';

/** What is sent to a webhook: an event of an order, or one that was asked for to try the webhook. */
export type WebhookEvent = Event | TestEvent;

/** It is about no order, and none of the shop's events. */
export interface TestEvent {
  id: string;
  type: 'webhook.test';
  sequence: null;
  shopId: string;
  at: string;
  data: { webhookId: string };
}

/** After one of these, nothing more happens to an order. */
const FINAL: ReadonlySet<Event['data']['stage']> = new Set(['rejected', 'cancelled', 'expired', 'refunded']);

export const isLast = ({ data }: Event): boolean => FINAL.has(data.stage);
