/** What operators read: attention marks, findings, measurements and alerts, and what people and repairs did. */
import { sql } from 'drizzle-orm';
import {
  check,
  doublePrecision,
  foreignKey,
  index,
  json,
  pgTable,
  primaryKey,
  text,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core';
import { ALERT_RECEIVERS } from '../../domain/alert-receivers.ts';
import { ATTENTION_REASONS, INTERVENTION_ACTIONS } from '../../domain/attention.ts';
import { DECIDED } from '../../domain/decisions.ts';
import { ALERT_EVENTS, MEASURES, RUN_NAMES } from '../../domain/measures.ts';
import { STEPS } from '../../domain/order.ts';
import { FINDING_KINDS } from '../../domain/rules.ts';
import { TEXT } from '../../domain/text.ts';
import { isText, oneOf, instant, recordedAt, shopId } from './columns.ts';

/** `gone`: a later run no longer found it, because somebody fixed it. `resolved`: a person decided what becomes of it. */
export const FINDING_STATES = ['open', 'repaired', 'gone', 'resolved'] as const;

/**
 * Marks on orders that need a person's attention. No foreign key: an order whose reservation keeps failing is not in `orders` yet.
 */
export const attention = pgTable(
  'attention',
  {
    /** The order's workflow or its refund's. */
    workflowId: text('workflow_id').notNull(),
    raisedAt: instant('raised_at').notNull(),
    orderId: uuid('order_id').notNull(),
    shopId: shopId(),
    /** The step that keeps failing. */
    step: text({ enum: STEPS }).notNull(),
    reason: text({ enum: ATTENTION_REASONS }).notNull(),
    clearedAt: instant('cleared_at'),
  },
  (t) => [
    primaryKey({ name: 'attention_pkey', columns: [t.workflowId, t.raisedAt] }),
    check('attention_step', oneOf(t.step, STEPS)),
    check('attention_reason', oneOf(t.reason, ATTENTION_REASONS)),
    check('attention_cleared_after_raised', sql`${t.clearedAt} >= ${t.raisedAt}`),
    // Which marks are open, oldest first? (Few rows: open marks only.)
    index('attention_open')
      .on(t.raisedAt, t.workflowId)
      .where(sql`cleared_at is null`),
    // Does this order have an open mark? (Few rows: open marks only.)
    index('attention_open_by_order')
      .on(t.orderId)
      .where(sql`cleared_at is null`),
  ],
);

/** What people did to orders whose steps failed. Never changed. */
export const intervention = pgTable(
  'intervention',
  {
    workflowId: text('workflow_id').notNull(),
    updateId: text('update_id').notNull(),
    orderId: uuid('order_id').notNull(),
    shopId: shopId(),
    action: text({ enum: INTERVENTION_ACTIONS }).notNull(),
    actor: text().notNull(),
    reason: text().notNull(),
    /** The step that was failing, if any. */
    step: text({ enum: STEPS }),
    at: instant('at').notNull(),
    recordedAt: recordedAt(),
  },
  (t) => [
    primaryKey({ name: 'intervention_pkey', columns: [t.workflowId, t.updateId] }),
    check('intervention_action', oneOf(t.action, INTERVENTION_ACTIONS)),
    check('intervention_step', oneOf(t.step, STEPS)),
    check('intervention_actor', isText(t.actor, TEXT.actor)),
    check('intervention_reason', isText(t.reason, TEXT.reason)),
    // What did people do to this order?
    index('intervention_by_order').on(t.orderId, t.at),
  ],
);

/** What reconciliation found wrong. */
export const finding = pgTable(
  'finding',
  {
    id: uuid().primaryKey(),
    kind: text({ enum: FINDING_KINDS }).notNull(),
    /** What it is about: an order, a shop/SKU, a wallet, or two of them with a slash; for figures, day/shop/currency/SKU, as far as they apply. */
    subject: text().notNull(),
    orderId: uuid('order_id'),
    /** Whose order, SKU, wallet or figures; null when it is about none of them, as when a detector failed. */
    shopId: text('shop_id'),
    /** A sentence with the values that disagree. */
    finding: text().notNull(),
    firstSeen: instant('first_seen').notNull(),
    lastSeen: instant('last_seen').notNull(),
    state: text({ enum: FINDING_STATES }).notNull().default('open'),
    /** What was done about it; null until then. */
    done: text(),
    endedAt: instant('ended_at'),
  },
  (t) => [
    check('finding_kind', oneOf(t.kind, FINDING_KINDS)),
    check('finding_state', oneOf(t.state, FINDING_STATES)),
    check('finding_ended_unless_open', sql`(${t.state} = 'open') = (${t.endedAt} is null)`),
    // A finding is recorded once, however often it is seen.
    uniqueIndex('finding_open')
      .on(t.kind, t.subject)
      .where(sql`state = 'open'`),
    // What was decided about this, so that reconciliation leaves it alone? (Few rows.)
    index('finding_resolved')
      .on(t.kind, t.subject)
      .where(sql`state = 'resolved'`),
    // What was found, newest first?
    index('finding_by_state').on(t.state, t.id),
  ],
);

/** What reconciliation changed, and how it was before. Never changed. */
export const repair = pgTable('repair', {
  findingId: uuid('finding_id')
    .primaryKey()
    .references(() => finding.id),
  before: json().notNull(),
  after: json().notNull(),
  at: instant('at').notNull(),
});

/** What a person decided about a finding. Never changed. */
export const decision = pgTable(
  'decision',
  {
    findingId: uuid('finding_id')
      .primaryKey()
      .references(() => finding.id),
    choice: text({ enum: DECIDED }).notNull(),
    /** Who decided, in their own words; the audit also has the caller. */
    actor: text().notNull(),
    reason: text().notNull(),
    before: json().notNull(),
    after: json().notNull(),
    at: instant('at').notNull(),
  },
  (t) => [
    check('decision_choice', oneOf(t.choice, DECIDED)),
    check('decision_actor', isText(t.actor, TEXT.actor)),
    check('decision_reason', isText(t.reason, TEXT.reason)),
  ],
);

/** What the monitor measured: one row per minute and measure, in partitions of a month each. */
export const measurement = pgTable(
  'measurement',
  {
    minute: instant('minute').notNull(),
    name: text({ enum: MEASURES }).notNull(),
    /** Seconds, a share from 0 to 1, or a count, depending on the measure. */
    value: doublePrecision().notNull(),
    /** What it counts, at most 20: ids of orders or buyers, or SKUs. */
    subjects: json().$type<string[]>().notNull(),
    /** When exactly, by the run's own time: of two runs in a minute the later one stays. */
    at: instant('at').notNull(),
  },
  (t) => [
    primaryKey({ name: 'measurement_pkey', columns: [t.minute, t.name] }),
    check('measurement_name', oneOf(t.name, MEASURES)),
  ],
);

/** From when a measure crossed its threshold until it no longer did. */
export const alert = pgTable(
  'alert',
  {
    id: uuid().primaryKey(),
    name: text({ enum: MEASURES }).notNull(),
    openedAt: instant('opened_at').notNull(),
    closedAt: instant('closed_at'),
    /** As it was when the alert opened. */
    threshold: doublePrecision().notNull(),
    /** The latest value; once the alert is closed, the value that closed it. */
    value: doublePrecision().notNull(),
    /** The value farthest from the threshold. */
    worst: doublePrecision().notNull(),
    /** As in {@link measurement}. */
    subjects: json().$type<string[]>().notNull(),
  },
  (t) => [
    check('alert_name', oneOf(t.name, MEASURES)),
    check('alert_closed_after_opened', sql`${t.closedAt} > ${t.openedAt}`),
    // A measure has at most one open alert, however many runs see its threshold crossed.
    uniqueIndex('alert_one_open')
      .on(t.name)
      .where(sql`closed_at is null`),
  ],
);

/** The notices of alerts. Written together with the opening or closing, so that none goes unreported. */
export const alertNotice = pgTable(
  'alert_notice',
  {
    alertId: uuid('alert_id')
      .notNull()
      .references(() => alert.id),
    event: text({ enum: ALERT_EVENTS }).notNull(),
    at: instant('at').notNull(),
    value: doublePrecision().notNull(),
    subjects: json().$type<string[]>().notNull(),
  },
  (t) => [
    primaryKey({ name: 'alert_notice_pkey', columns: [t.alertId, t.event] }),
    check('alert_notice_event', oneOf(t.event, ALERT_EVENTS)),
  ],
);

/** The receivers that the settings of workers name. What is noticed from now on waits for each of them. */
export const alertReceiver = pgTable(
  'alert_receiver',
  { receiver: text({ enum: ALERT_RECEIVERS }).primaryKey() },
  (t) => [check('alert_receiver_receiver', oneOf(t.receiver, ALERT_RECEIVERS))],
);

/** A notice for one receiver. Written together with the notice, or when a receiver is new and the alert still open. */
export const alertDelivery = pgTable(
  'alert_delivery',
  {
    alertId: uuid('alert_id').notNull(),
    event: text({ enum: ALERT_EVENTS }).notNull(),
    receiver: text({ enum: ALERT_RECEIVERS }).notNull(),
    deliveredAt: instant('delivered_at'),
  },
  (t) => [
    primaryKey({ name: 'alert_delivery_pkey', columns: [t.alertId, t.event, t.receiver] }),
    foreignKey({
      name: 'alert_delivery_notice_fk',
      columns: [t.alertId, t.event],
      foreignColumns: [alertNotice.alertId, alertNotice.event],
    }),
    check('alert_delivery_receiver', oneOf(t.receiver, ALERT_RECEIVERS)),
    // What is still to be sent? (Few rows.)
    index('alert_delivery_waiting')
      .on(t.receiver, t.alertId)
      .where(sql`delivered_at is null`),
  ],
);

/** When a run of each schedule last ended. One row per schedule. */
export const runEnd = pgTable(
  'run_end',
  {
    run: text({ enum: RUN_NAMES }).primaryKey(),
    /** Before this time no run was expected to end: a new installation is not late. */
    watchedSince: instant('watched_since').notNull(),
    /** Null before the first. */
    endedAt: instant('ended_at'),
  },
  (t) => [check('run_end_run', oneOf(t.run, RUN_NAMES))],
);
