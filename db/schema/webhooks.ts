/**
 * Webhooks, what is to be sent to them, and the outcome of each attempt. Deliveries are written by the statement that publishes their
 * events: the trigger and the partitions of the attempts are in migrations/0020_webhooks.sql.
 */
import { sql } from 'drizzle-orm';
import { bigint, check, index, integer, pgTable, primaryKey, text, unique, uuid } from 'drizzle-orm/pg-core';
import { EVENT_TYPES } from '../../domain/events.ts';
import { KEY_NAME_PATTERN } from '../../domain/key-ring.ts';
import { SEAL_BYTES } from '../../domain/personal-data.ts';
import type { AttemptFailure } from '../../domain/webhook-attempts.ts';
import { TEXT } from '../../domain/text.ts';
import {
  DELIVERY_KINDS,
  DELIVERY_STATES,
  DISABLED_REASONS,
  LONGEST_URL,
  WEBHOOK_STATES,
} from '../../domain/webhooks.ts';
import { WEBHOOK_SECRET_BYTES } from '../../domain/webhook-secrets.ts';
import { NIL_UUID, bytes, hasBytes, instant, isText, literal, matches, oneOf, shopId } from './columns.ts';
import { shop } from './shops.ts';

export const webhook = pgTable(
  'webhook',
  {
    id: uuid().primaryKey(),
    shopId: shopId().references(() => shop.id),
    url: text().notNull(),
    description: text(),
    /** Separated by spaces, as in keys.ts. Null for all that there are and will be. */
    types: text(),
    state: text({ enum: WEBHOOK_STATES }).notNull().default('active'),
    disabledReason: text('disabled_reason', { enum: DISABLED_REASONS }),
    /** The first failure after the last success, by the time of what sends. Null while it works. */
    failingSince: instant('failing_since'),
    /** Failures since the last success. */
    failures: integer().notNull().default(0),
    /** While it seems to be down as a whole: when one event is tried again. */
    retryAt: instant('retry_at'),
    /** One more with every change by its shop and every change of state. */
    version: integer().notNull().default(1),
    createdAt: instant('created_at').notNull(),
    createdBy: text('created_by').notNull(),
    updatedAt: instant('updated_at').notNull(),
  },
  (t) => [
    check(
      'webhook_url',
      sql`${matches(t.url, '^https?://')} and char_length(${t.url}) <= ${literal(LONGEST_URL)}`,
    ),
    check('webhook_description', isText(t.description, TEXT.title)),
    check('webhook_types', matches(t.types, '^[a-z_.]+( [a-z_.]+)*$')),
    check('webhook_state', oneOf(t.state, WEBHOOK_STATES)),
    check('webhook_disabled_reason', oneOf(t.disabledReason, DISABLED_REASONS)),
    check(
      'webhook_disabled_for_a_reason',
      sql`(${t.state} = 'disabled') = (${t.disabledReason} is not null)`,
    ),
    check('webhook_failures', sql`(${t.failures} > 0) = (${t.failingSince} is not null)`),
    // Which webhooks does this shop have, newest first? (Ids sort by time.)
    index('webhook_by_shop').on(t.shopId, t.id),
  ],
);

/** A webhook has several secrets while they are rotated: each signs until it expires. */
export const webhookSecret = pgTable(
  'webhook_secret',
  {
    webhookId: uuid('webhook_id')
      .notNull()
      .references(() => webhook.id, { onDelete: 'cascade' }),
    id: uuid().notNull(),
    sealed: bytes('sealed').notNull(),
    /** The name of the key in WEBHOOK_SECRET_KEYS that it is encrypted with. */
    sealingKey: text('sealing_key').notNull(),
    createdAt: instant('created_at').notNull(),
    /** Null for the current one. */
    expiresAt: instant('expires_at'),
  },
  (t) => [
    primaryKey({ name: 'webhook_secret_pkey', columns: [t.webhookId, t.id] }),
    check(
      'webhook_secret_sealed',
      hasBytes(t.sealed, SEAL_BYTES + WEBHOOK_SECRET_BYTES, SEAL_BYTES + WEBHOOK_SECRET_BYTES),
    ),
    check('webhook_secret_sealing_key', matches(t.sealingKey, KEY_NAME_PATTERN)),
  ],
);

/** What is to be sent to a webhook, or was. */
export const webhookDelivery = pgTable(
  'webhook_delivery',
  {
    /** Sorts by the time at which it was written. */
    id: uuid().primaryKey(),
    /** Not a foreign key: what was to be sent to a webhook that is gone is removed later, some at a time. */
    webhookId: uuid('webhook_id').notNull(),
    shopId: shopId(),
    eventId: text('event_id').notNull(),
    type: text({ enum: EVENT_TYPES }).notNull(),
    kind: text({ enum: DELIVERY_KINDS }).notNull(),
    /** The command that asked for it; the nil UUID for an event that is sent because it happened. */
    commandId: uuid('command_id').notNull().default(NIL_UUID),
    /** Null for a test, as are the two below. */
    orderId: uuid('order_id'),
    version: integer(),
    sequence: bigint({ mode: 'number' }),
    state: text({ enum: DELIVERY_STATES }).notNull().default('pending'),
    /** How many times somebody set out to send it. */
    attempts: integer().notNull().default(0),
    /** Of the attempts since it was made, or since its webhook was switched on again. */
    firstAttemptAt: instant('first_attempt_at'),
    /** Nobody tries before; while somebody tries, when another one may. */
    dueAt: instant('due_at').notNull(),
    createdAt: instant('created_at').notNull(),
    endedAt: instant('ended_at'),
  },
  (t) => [
    check('webhook_delivery_kind', oneOf(t.kind, DELIVERY_KINDS)),
    check('webhook_delivery_state', oneOf(t.state, DELIVERY_STATES)),
    check('webhook_delivery_ended', sql`(${t.state} = 'pending') = (${t.endedAt} is null)`),
    check('webhook_delivery_of_order', sql`(${t.kind} = 'test') = (${t.orderId} is null)`),
    check('webhook_delivery_of_event', sql`(${t.orderId} is null) = (${t.version} is null)`),
    check(
      'webhook_delivery_by_command',
      sql`(${t.kind} = 'event') = (${t.commandId} = '${sql.raw(NIL_UUID)}')`,
    ),
    // Each event once for each webhook, and once more for each command. Also: was this event sent?
    unique('webhook_delivery_once').on(t.webhookId, t.eventId, t.commandId),
    // What was sent to this webhook, newest first?
    index('webhook_delivery_by_webhook').on(t.webhookId, t.id),
    // Which of them are in this state?
    index('webhook_delivery_by_state').on(t.webhookId, t.state, t.id),
    // What waits at this webhook, the longest due first? (Few rows: pending ones only, as in the two below.)
    index('webhook_delivery_due')
      .on(t.webhookId, t.dueAt)
      .where(sql`state = 'pending'`),
    // Does an earlier event of this order wait?
    index('webhook_delivery_waiting')
      .on(t.webhookId, t.orderId, t.kind, t.version)
      .where(sql`state = 'pending'`),
    // Which were tried in vain?
    index('webhook_delivery_tried')
      .on(t.webhookId)
      .where(sql`state = 'pending' and first_attempt_at is not null`),
  ],
);

/** The outcome of each attempt to send. In partitions by month, of the delivery's id. Never changed. */
export const webhookAttempt = pgTable(
  'webhook_attempt',
  {
    deliveryId: uuid('delivery_id').notNull(),
    /** From 1. One is missing when the process that tried was killed. */
    number: integer().notNull(),
    shopId: shopId(),
    at: instant('at').notNull(),
    durationMs: integer('duration_ms').notNull(),
    /** Of the answer; null when there was none. */
    status: integer(),
    /** Null when the receiver took the event. */
    failure: text().$type<AttemptFailure>(),
    /** The code of a failed connection, such as ECONNREFUSED; null for the rest. */
    cause: text(),
  },
  (t) => [
    primaryKey({ name: 'webhook_attempt_pkey', columns: [t.deliveryId, t.number] }),
    check('webhook_attempt_status', sql`${t.status} between 100 and 999`),
    check('webhook_attempt_failure', matches(t.failure, '^[a-z_]+$')),
    check('webhook_attempt_cause', isText(t.cause, TEXT.title)),
  ],
);
