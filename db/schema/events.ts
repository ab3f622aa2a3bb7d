/**
 * What is published of orders' events. How it is written is in migrations/0019_events.sql: by a trigger on `order_event`, and by
 * publish_events.
 */
import { sql } from 'drizzle-orm';
import { bigint, check, index, integer, pgTable, primaryKey, text, uuid } from 'drizzle-orm/pg-core';
import { ORDER_EVENT_TYPES } from '../../domain/events.ts';
import { oneOf, recordedAt, shopId } from './columns.ts';

/** Events that are not published yet. A trigger puts each here in the transaction that records it, so that none is forgotten. */
export const outbox = pgTable('outbox', {
  /** An order's events have ascending ids, because each is recorded after the one before it was committed. */
  id: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
  orderId: uuid('order_id').notNull(),
  version: integer().notNull(),
  recordedAt: recordedAt(),
});

/** How many events of a shop were published. Locked while the next ones get their numbers, so that these become visible in order. */
export const shopSequence = pgTable(
  'shop_sequence',
  {
    shopId: shopId().primaryKey(),
    last: bigint({ mode: 'number' }).notNull(),
  },
  (t) => [check('shop_sequence_counts', sql`${t.last} > 0`)],
);

/** A published event, and its number in its shop. Never changed. In months by the order's id, as `order_event`, which has the rest. */
export const publishedEvent = pgTable(
  'published_event',
  {
    orderId: uuid('order_id').notNull(),
    version: integer().notNull(),
    shopId: shopId(),
    /** Consecutive in each shop. */
    sequence: bigint({ mode: 'number' }).notNull(),
    type: text({ enum: ORDER_EVENT_TYPES }).notNull(),
    publishedAt: recordedAt('published_at'),
  },
  (t) => [
    primaryKey({ name: 'published_event_pkey', columns: [t.orderId, t.version] }),
    check('published_event_type', oneOf(t.type, ORDER_EVENT_TYPES)),
    check('published_event_sequence', sql`${t.sequence} > 0`),
    // What was published in this shop after this number?
    index('published_event_by_sequence').on(t.shopId, t.sequence),
  ],
);

/** Up to which number events of a shop went with a month that was dropped: a reader who has read less may have missed one. */
export const droppedSequence = pgTable(
  'dropped_sequence',
  {
    id: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    shopId: shopId(),
    /** The highest that went. Events with lower numbers may be kept: they are those of younger orders. */
    last: bigint({ mode: 'number' }).notNull(),
  },
  (t) => [
    // Did events of this shop go since this row?
    index('dropped_sequence_by_shop').on(t.shopId, t.id),
  ],
);
