/** Webhooks: the addresses to which a shop's events are sent, and how each event stands that is to be sent there. */

export const WEBHOOK_STATES = ['active', 'disabled'] as const;
export type WebhookState = (typeof WEBHOOK_STATES)[number];

/**
 * Why nothing is sent to a webhook.
 * - owner: the shop switched it off. What happens in the meantime is not sent later.
 * - failing: it has failed for too long
 * - gone: it answered 410
 *
 * For the last two, events go on waiting: they are sent when the shop switches it on again.
 */
export const DISABLED_REASONS = ['owner', 'failing', 'gone'] as const;
export type DisabledReason = (typeof DISABLED_REASONS)[number];

/**
 * - event: an event, sent because it happened
 * - redelivery: the same event once more, because somebody asked for it
 * - test: an event that says nothing but that it arrived
 */
export const DELIVERY_KINDS = ['event', 'redelivery', 'test'] as const;
export type DeliveryKind = (typeof DELIVERY_KINDS)[number];

/** `given_up`: it failed for three days, or what it was about is no longer kept. */
export const DELIVERY_STATES = ['pending', 'delivered', 'given_up'] as const;
export type DeliveryState = (typeof DELIVERY_STATES)[number];

/** An address that is longer is refused. */
export const LONGEST_URL = 2_048;
/** Of one shop, those that are disabled included: each event is recorded for each of them. */
export const MOST_WEBHOOKS = 50;
/** Of one call: they are written by one statement. */
export const MOST_REDELIVERED = 2_000;

/** Says nothing but that it arrived. */
export interface TestEvent {
  id: string;
  type: 'webhook.test';
  /** It is none of the shop's events. */
  sequence: null;
  shopId: string;
  at: string;
  data: { webhookId: string };
}

export const testEventId = (deliveryId: string): string => `test-${deliveryId}`;
