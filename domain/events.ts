/** The events that shops hear of from outside: by `GET /v1/events`, by the stream of an order, and by webhooks. */
import { RECORDED_MOVES, type RestingStage } from './stages.ts';

/** What happened to an order. A closed list: callers choose among these. */
export const ORDER_EVENT_TYPES = [
  'order.awaiting_payment',
  'order.deadline_extended',
  'order.rejected',
  'order.paid',
  'order.partially_refunded',
  'order.refunded',
  'order.cancelled',
  'order.expired',
] as const;
export type OrderEventType = (typeof ORDER_EVENT_TYPES)[number];

/** `webhook.test` is sent on request to one webhook, and is no event of an order. */
export const EVENT_TYPES = [...ORDER_EVENT_TYPES, 'webhook.test'] as const;
export type EventType = (typeof EVENT_TYPES)[number];

/** The channel on which PostgreSQL says which orders have new published events. */
export const EVENT_CHANNEL = 'holdfast_event';

/** What a recorded move is called outside. The function type_of_move says the same in SQL; a test compares the two. */
export const typeOfMove = ({ from, to }: { from: RestingStage | null; to: RestingStage }): OrderEventType => {
  if (from === 'paid' && to === 'paid') return 'order.partially_refunded';
  return from === 'awaiting_payment' && to === 'awaiting_payment' ? 'order.deadline_extended' : `order.${to}`;
};

/** Whether an order in this stage has no further event. */
export const isFinal = (stage: RestingStage): boolean => !RECORDED_MOVES.some(({ from }) => from === stage);

export interface EventKey {
  orderId: string;
  version: number;
}

/** An event's id: the same in every way it is sent, and at every redelivery. */
export const eventIdOf = ({ orderId, version }: EventKey): string => `${orderId}-${version}`;

export const EVENT_ID_PATTERN = '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}-[1-9][0-9]{0,8}$';
const EVENT_ID = new RegExp(EVENT_ID_PATTERN);
const UUID_LENGTH = 36;

/** Undefined for what is no event's id. */
export const readEventId = (id: string): EventKey | undefined =>
  EVENT_ID.test(id)
    ? { orderId: id.slice(0, UUID_LENGTH), version: Number(id.slice(UUID_LENGTH + 1)) }
    : undefined;

export interface Money {
  amount: number;
  currency: string;
}

/** What a refund gave back. */
export interface EventRefund {
  amount: number;
  currency: string;
  /** In SKU order; none when an amount was refunded. */
  lines: { sku: string; quantity: number; amount: number; restocked: boolean }[];
}

/** What an event says of its order. Never personal fields nor metadata: what was sent cannot be erased. */
export interface OrderEventData {
  orderId: string;
  version: number;
  /** Null in an order's first event. */
  from: RestingStage | null;
  stage: RestingStage;
  reason?: string;
  /** Absent when time or Holdfast caused it. */
  commandId?: string;
  buyerId: string;
  /** Absent when the caller gave none. */
  reference?: string;
  /** Null in an order that was never priced, or that was rejected for its total. */
  total: Money | null;
  /** Of the events that record a refund. */
  refund?: EventRefund;
}

/** An event as it is published: the body of a webhook, an item of the feed, and the data of a stream are this. */
export interface PublishedEvent {
  id: string;
  type: OrderEventType;
  /** Counts the events of a shop, without gaps. */
  sequence: number;
  shopId: string;
  /** When it happened, ISO 8601. */
  at: string;
  data: OrderEventData;
}
