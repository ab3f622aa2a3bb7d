/**
 * Who changed what, when and why. Only the functions of migrations/0013_audit.sql write here; what Drizzle cannot express of these tables is
 * there, too: the partitions of the audit, and that its rows never change.
 */
import { sql } from 'drizzle-orm';
import {
  bigint,
  boolean,
  check,
  index,
  json,
  pgTable,
  primaryKey,
  text,
  timestamp,
  uuid,
} from 'drizzle-orm/pg-core';
import { AUDIT_KINDS } from '../../domain/audit.ts';
import { instant, oneOf, recordedAt } from './columns.ts';

/** To the microsecond: it is a part of the row's hash. */
const exactInstant = (name: string) => timestamp(name, { withTimezone: true, mode: 'string' });

/** What changed and is not sealed yet. Written by the transaction that changes it. */
export const auditInbox = pgTable(
  'audit_inbox',
  {
    id: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    recordedAt: exactInstant('recorded_at').notNull().defaultNow(),
    /** What changed together. */
    transaction: bigint({ mode: 'number' })
      .notNull()
      .default(sql`pg_current_xact_id()::text::bigint`),
    kind: text({ enum: AUDIT_KINDS }).notNull(),
    /** Null for what is the installation's; an order's is added when the row is sealed. */
    shopId: text('shop_id'),
    /** Which one: an order, a wallet, a shop/SKU, a key, a process. */
    subject: text().notNull(),
    orderId: uuid('order_id'),
    /** The command that caused it, or the order that was placed. */
    commandId: uuid('command_id'),
    /**
     * A caller (see domain/access.ts), `holdfast`, `command:<name>`, `operator:<who they said they are>` for an intervention, or
     * `database:<role>` for who changed it by hand. What a step did is the deed of the caller whose command it carried out, which is found
     * when the row is sealed.
     */
    actor: text()
      .notNull()
      .default(
        sql`coalesce(nullif(current_setting('holdfast.actor', true), ''), 'database:' || session_user)`,
      ),
    /** The id of the request that sent the command; null where no request did. */
    requestId: text('request_id').default(sql`nullif(current_setting('holdfast.request_id', true), '')`),
    /** The reason that was given, or Holdfast's. */
    why: text(),
    /** Null for what is new. */
    before: json(),
    /** Null for what is gone. */
    after: json(),
  },
  (t) => [check('audit_inbox_kind', oneOf(t.kind, AUDIT_KINDS))],
);

/** The sealed rows, each chained to the one before it by its hash. In partitions by month. Never changed. */
export const audit = pgTable(
  'audit',
  {
    /** Without gaps, in the order of sealing. */
    seq: bigint({ mode: 'number' }).notNull(),
    recordedAt: exactInstant('recorded_at').notNull(),
    transaction: bigint({ mode: 'number' }).notNull(),
    kind: text({ enum: AUDIT_KINDS }).notNull(),
    shopId: text('shop_id'),
    subject: text().notNull(),
    orderId: uuid('order_id'),
    commandId: uuid('command_id'),
    actor: text().notNull(),
    requestId: text('request_id'),
    why: text(),
    before: json(),
    after: json(),
    previousHash: text('previous_hash').notNull(),
    /** SHA-256 of the previous hash and the row, in hex. */
    hash: text().notNull(),
    sealedAt: exactInstant('sealed_at').notNull(),
  },
  (t) => [
    primaryKey({ name: 'audit_pkey', columns: [t.recordedAt, t.seq] }),
    // What comes next in the chain?
    index('audit_by_seq').on(t.seq),
    // What happened in this shop?
    index('audit_by_shop').on(t.shopId, t.seq),
    // What happened to this wallet, SKU or key?
    index('audit_by_subject').on(t.subject, t.seq),
    // What did this caller do?
    index('audit_by_actor').on(t.actor, t.seq),
    // Who changed keys, settings and the like? (Of the other kinds, any page has some.)
    index('audit_by_rare_kind')
      .on(t.kind, t.seq)
      .where(sql`kind not in ('order', 'wallet', 'sku')`),
    // What happened to this order?
    index('audit_by_order')
      .on(t.orderId, t.seq)
      .where(sql`order_id is not null`),
  ],
);

/** One row: the last one that is sealed. Locked while rows are sealed. */
export const auditHead = pgTable(
  'audit_head',
  {
    id: boolean().primaryKey().default(true),
    seq: bigint({ mode: 'number' }).notNull(),
    hash: text().notNull(),
    /** What changed before this moment, no row was written for. */
    beganAt: instant('began_at')
      .notNull()
      .default(sql`clock_timestamp()`),
  },
  (t) => [check('audit_head_one_row', sql`${t.id}`)],
);

/** The settings with which each process was last started, for comparing them with its next. Secrets are redacted. */
export const settingsSeen = pgTable('settings_seen', {
  process: text().primaryKey(),
  settings: json().notNull(),
  recordedAt: recordedAt(),
});
