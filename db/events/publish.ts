/** Publishes what happened to orders: see migrations/0019_events.sql for why numbers are given there, and by one process at a time. */
import type { EventKey, OrderEventType } from '../../domain/events.ts';
import type { Database } from '../database.ts';

/** What was published of an event, for those who pass it on. */
export interface JustPublished extends EventKey {
  shopId: string;
  sequence: number;
  type: OrderEventType;
}

/** Some 50 ms of work: statements end after 1.5 s. */
export const PUBLISHED_AT_ONCE = 500;

/**
 * Publishes the oldest events that are not, and returns them by shop and number. Nothing when there are none, or when another process is
 * publishing: its numbers come first.
 */
export async function publishEvents(
  database: Database,
  atMost: number = PUBLISHED_AT_ONCE,
): Promise<JustPublished[]> {
  const published = await database.run(
    ({ sql }) => sql<JustPublished[]>`
      select order_id as "orderId", version, shop_id as "shopId", sequence, type from publish_events(${atMost})
    `,
  );
  return [...published];
}
