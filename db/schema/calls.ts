/** The calls of callers: their idempotency keys, the promises to those who were refused for load, and how much each has called. */
import { sql } from 'drizzle-orm';
import {
  check,
  date,
  doublePrecision,
  index,
  integer,
  json,
  pgTable,
  primaryKey,
  text,
  uuid,
} from 'drizzle-orm/pg-core';
import { IDEMPOTENCY_KEY_PATTERN } from '../../domain/text.ts';
import { MAIN_SHOP } from '../../domain/shops.ts';
import { matches, instant, recordedAt, shopId } from './columns.ts';

/** The id and the answer that a POST with an Idempotency-Key got. An answer never changes; old-keys.ts removes those that nobody needs. */
export const idempotencyKey = pgTable(
  'idempotency_key',
  {
    /** Who calls: the id of domain/access.ts's Caller. Empty for keys from before callers had names. */
    caller: text().notNull().default(''),
    /** The operation's id in the OpenAPI document: the same key for another operation is another key. */
    operation: text().notNull(),
    key: text().notNull(),
    /** SHA-256 of the path's parameters and the body as sent; for keys from before 0.4, of the body with its defaults. */
    fingerprint: text().notNull(),
    /** Where the call works. */
    shopId: shopId().default(MAIN_SHOP),
    /** The id of what the call creates (an order, a wallet, a transfer), or of the command that it sends. */
    commandId: uuid('command_id').notNull(),
    /** Until then the first call is taken to be running; afterwards a repeated call takes over. */
    claimedUntil: instant('claimed_until').notNull(),
    /** Of the request that works on it, for the audit. Null for keys from before 0.7. */
    requestId: text('request_id'),
    responseStatus: integer('response_status'),
    /** Not jsonb: a replay equals the first answer byte for byte. */
    responseBody: json('response_body'),
    recordedAt: recordedAt(),
    /** The first day of the month in which the key was first used, by the command's id; its partition. */
    month: date({ mode: 'string' })
      .notNull()
      .default(sql`month_of(now())`),
  },
  (t) => [
    // A caller, operation and key have one month: `kept_key` in migrations/0012_partitions.sql finds it.
    primaryKey({ name: 'idempotency_key_pkey', columns: [t.caller, t.operation, t.key, t.month] }),
    check('idempotency_key_key', matches(t.key, IDEMPOTENCY_KEY_PATTERN)),
    // Which orders were asked for recently, and which keys are old? (Ids sort by time.)
    index('idempotency_key_orders')
      .on(t.commandId)
      .where(sql`operation = 'createOrder'`),
    index('idempotency_key_others')
      .on(t.commandId)
      .where(sql`operation <> 'createOrder'`),
  ],
);

/**
 * Until when a caller whose order was refused for load was asked to wait. Unlogged, because it may be lost: a caller without a ticket
 * queues as a newcomer.
 */
export const admissionTicket = pgTable(
  'admission_ticket',
  {
    /** As in {@link idempotencyKey}. */
    caller: text().notNull(),
    /** The Idempotency-Key of the order. */
    key: text().notNull(),
    due: instant('due').notNull(),
  },
  (t) => [primaryKey({ name: 'admission_ticket_pkey', columns: [t.caller, t.key] })],
);

/** How many orders per second each API process under load places, so that all give tickets at one pace. Unlogged, too. */
export const admissionPace = pgTable('admission_pace', {
  process: uuid().primaryKey(),
  perSecond: doublePrecision('per_second').notNull(),
  seenAt: instant('seen_at').notNull(),
});

/** How much each caller, or address, has used of a limit, for every API process to see. Unlogged: after a crash everybody begins anew. */
export const rateLimit = pgTable('rate_limit', {
  /** Whose, and which limit. */
  key: text().primaryKey(),
  points: doublePrecision().notNull(),
  expiresAt: instant('expires_at').notNull(),
});
