/** The events of orders, as they come by webhook, by stream and by the feed. */
import type { Order } from './generated/types.ts';

type Stage = Order['stage'];

/** What every event has. */
interface Event<Type extends string, Data> {
  /** The same however often and in whatever way it is sent. */
  id: string;
  type: Type;
  shopId: string;
  at: string;
  data: Data;
}

export interface OrderEventData {
  orderId: string;
  version: number;
  from: Stage | null;
  stage: Stage;
  reason?: string;
  commandId?: string;
  buyerId: string;
  total: Order['total'];
}

export type OrderEventType = `order.${Stage}` | 'order.partially_refunded';

export interface PublishedEvent extends Event<OrderEventType, OrderEventData> {
  /** Counts the events of a shop, without gaps. */
  sequence: number;
}

export type WebhookEvent = PublishedEvent | Event<'webhook.test', object>;

/** After one of these, nothing more happens to an order. */
const FINAL: ReadonlySet<Stage> = new Set(['rejected', 'cancelled', 'expired', 'refunded']);

export const isLast = ({ data }: PublishedEvent): boolean => FINAL.has(data.stage);
