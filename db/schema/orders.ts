/**
 * Orders, what was recorded of each, and the keys of their steps. Times that a business rule reads come from workflows.
 *
 * What Drizzle cannot express (rows that never change, legs that sum to zero) is in migrations/0001_rules.sql; months, and that an order
 * rests at its last event, in migrations/0012_partitions.sql.
 */
import { sql, type SQL } from 'drizzle-orm';
import {
  boolean,
  check,
  foreignKey,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  unique,
  uuid,
  type AnyPgColumn,
} from 'drizzle-orm/pg-core';
import { TOTAL_LIMIT } from '../../domain/limits.ts';
import { ADJUSTMENTS_LIMIT, ADJUSTMENT_KINDS, PAYMENT_MODES, STEPS } from '../../domain/order.ts';
import { RECORDED_MOVES, RESTING_STAGES } from '../../domain/stages.ts';
import { SKU_CODE, TEXT } from '../../domain/text.ts';
import {
  NIL_UUID,
  instant,
  isText,
  literal,
  isCode,
  money,
  oneOf,
  quoted,
  recordedAt,
  shopId,
  units,
} from './columns.ts';

export const orders = pgTable(
  'orders',
  {
    id: uuid().primaryKey(),
    shopId: shopId(),
    buyerId: text('buyer_id').notNull(),
    /** Not a foreign key: a rejected order keeps what was asked for, even a wallet that does not exist. */
    walletId: uuid('wallet_id').notNull(),
    paymentMode: text('payment_mode', { enum: PAYMENT_MODES }).notNull(),
    stage: text({ enum: RESTING_STAGES }).notNull(),
    /** A reason code when Holdfast decided, the caller's words when a caller did. */
    reason: text(),
    /** Null when the order was rejected for something that has no price. */
    currency: text(),
    /** Null also when it is more than an order may come to. */
    total: money('total'),
    /** What was given back of it so far: the sum of its refunds. */
    refunded: money('refunded').notNull().default(0),
    /** The sum of its payments that secure it: a statement that adds one decides on this row, which it has locked. */
    secured: money('secured').notNull().default(0),
    paymentDeadline: instant('payment_deadline').notNull(),
    /** Whether the deadline was put off, because a payment was under way. */
    deadlineExtended: boolean('deadline_extended').notNull().default(false),
    createdAt: instant('created_at').notNull(),
    updatedAt: instant('updated_at').notNull(),
    version: integer().notNull(),
  },
  (t) => [
    check('orders_stage', oneOf(t.stage, RESTING_STAGES)),
    check('orders_payment_mode', oneOf(t.paymentMode, PAYMENT_MODES)),
    check('orders_buyer', isText(t.buyerId, TEXT.party)),
    check('orders_reason', isText(t.reason, TEXT.reason)),
    check(
      'orders_priced_unless_never_reserved',
      sql`${t.stage} in ('rejected', 'cancelled') or (${t.total} > 0 and ${t.currency} is not null)`,
    ),
    check('orders_total_payable', sql`${t.total} <= ${literal(TOTAL_LIMIT)}`),
    check(
      'orders_refunded_at_most_total',
      sql`${t.refunded} = 0 or (${t.stage} in ('paid', 'refunded') and 0 < ${t.refunded} and ${t.refunded} <= ${t.total})`,
    ),
    check('orders_refunded_in_full', sql`(${t.stage} = 'refunded') = (${t.refunded} = ${t.total})`),
    check(
      'orders_secured_at_most_total',
      sql`${t.secured} = 0 or (${t.stage} = 'awaiting_payment' and 0 < ${t.secured} and ${t.secured} <= ${t.total}) or (${t.stage} in ('paid', 'refunded') and ${t.secured} = ${t.total})`,
    ),
    // Which orders does this shop have, newest first? (Ids sort by time.) And for the keys of what belongs to an order.
    unique('orders_in_shop').on(t.shopId, t.id),
    // Which orders did this buyer place, newest first?
    index('orders_by_buyer').on(t.shopId, t.buyerId, t.id),
    // Which orders of this buyer are in this stage?
    index('orders_by_buyer_and_stage').on(t.shopId, t.buyerId, t.stage, t.id),
    // Which orders of this shop are in this stage, newest first?
    index('orders_by_stage').on(t.shopId, t.stage, t.id),
    // Which orders are open, in every shop? (Few rows: open orders only.)
    index('orders_open')
      .on(t.id)
      .where(sql`stage = 'awaiting_payment'`),
    // Which open orders are past their deadline? (Few rows: open orders only.)
    index('orders_open_by_deadline')
      .on(t.paymentDeadline)
      .where(sql`stage = 'awaiting_payment'`),
  ],
);

export const orderLine = pgTable(
  'order_line',
  {
    orderId: uuid('order_id')
      .notNull()
      .references(() => orders.id),
    /** Not a foreign key: a rejected order keeps what was asked for. */
    sku: text().notNull(),
    quantity: units('quantity').notNull(),
    unitPrice: money('unit_price'),
    /** What the adjustments of this line come to. `quantity * unit_price + adjustment` is what it costs, and at least zero in an order that was reserved. */
    adjustment: money('adjustment').notNull().default(0),
    /** Units that were refunded so far. */
    refunded: units('refunded').notNull().default(0),
    /** What these units cost: their share of the line, rounded down, so that all units together come to all of it. */
    refundedAmount: money('refunded_amount').notNull().default(0),
  },
  (t) => [
    primaryKey({ name: 'order_line_pkey', columns: [t.orderId, t.sku] }),
    check('order_line_quantity_positive', sql`${t.quantity} > 0`),
    check('order_line_refunded_at_most_quantity', sql`0 <= ${t.refunded} and ${t.refunded} <= ${t.quantity}`),
    check(
      'order_line_refunded_share',
      sql`${t.refundedAmount} = div((${t.quantity}::numeric * ${t.unitPrice} + ${t.adjustment}) * ${t.refunded}, ${t.quantity})`,
    ),
    check('order_line_sku', isCode(t.sku, SKU_CODE)),
  ],
);

/** What the shop takes off an order or adds to it besides its lines, as the order was placed. Never changed. */
export const orderAdjustment = pgTable(
  'order_adjustment',
  {
    orderId: uuid('order_id')
      .notNull()
      .references(() => orders.id),
    /** From 1, as the caller gave them. */
    position: integer().notNull(),
    kind: text({ enum: ADJUSTMENT_KINDS }).notNull(),
    label: text().notNull(),
    amount: money('amount').notNull(),
    /** Null for the whole order. */
    sku: text(),
  },
  (t) => [
    primaryKey({ name: 'order_adjustment_pkey', columns: [t.orderId, t.position] }),
    foreignKey({
      name: 'order_adjustment_line',
      columns: [t.orderId, t.sku],
      foreignColumns: [orderLine.orderId, orderLine.sku],
    }),
    check('order_adjustment_position', sql`${t.position} between 1 and ${literal(ADJUSTMENTS_LIMIT)}`),
    check('order_adjustment_kind', oneOf(t.kind, ADJUSTMENT_KINDS)),
    check('order_adjustment_label', isText(t.label, TEXT.label)),
    check('order_adjustment_not_zero', sql`${t.amount} <> 0`),
    check('order_adjustment_discount_is_less', sql`(${t.kind} = 'discount') = (${t.amount} < 0)`),
  ],
);

/** What a caller noted about an order for itself. Never changed. */
export const orderDetail = pgTable(
  'order_detail',
  {
    /** Not a foreign key: it is written before the order is. */
    orderId: uuid('order_id').primaryKey(),
    shopId: shopId(),
    buyerId: text('buyer_id').notNull(),
    reference: text(),
    metadata: jsonb().$type<Readonly<Record<string, string>>>(),
    recordedAt: recordedAt(),
  },
  (t) => [
    check('order_detail_not_empty', sql`${t.reference} is not null or ${t.metadata} is not null`),
    check('order_detail_reference', isText(t.reference, TEXT.reference)),
    // The rule of domain/order-detail.ts, in migrations/0017_order_contents.sql.
    check('order_detail_metadata', sql`is_metadata(${t.metadata})`),
    // Which orders of this shop have this reference, newest first? (Ids sort by time.)
    index('order_detail_by_reference')
      .on(t.shopId, t.reference, t.orderId)
      .where(sql`reference is not null`),
    // And which of this buyer's? (Everybody's orders may have one reference.)
    index('order_detail_by_buyer_and_reference')
      .on(t.shopId, t.buyerId, t.reference, t.orderId)
      .where(sql`reference is not null`),
  ],
);

/**
 * The recorded stages of an order. Never changed. In partitions of a month each, by the order's id: all events of an order are in one.
 * `order_event_follows` is a constraint of each partition, which is what Drizzle cannot express.
 */
export const orderEvent = pgTable(
  'order_event',
  {
    orderId: uuid('order_id')
      .notNull()
      .references(() => orders.id),
    version: integer().notNull(),
    fromStage: text('from_stage', { enum: RESTING_STAGES }),
    previousVersion: integer('previous_version').generatedAlwaysAs(sql`nullif(version - 1, 0)`),
    stage: text({ enum: RESTING_STAGES }).notNull(),
    reason: text(),
    /** The command that caused it; null when time or Holdfast did. */
    commandId: uuid('command_id'),
    at: instant('at').notNull(),
  },
  (t) => [
    primaryKey({ name: 'order_event_pkey', columns: [t.orderId, t.version] }),
    check('order_event_move', moves(t.fromStage, t.stage)),
    check('order_event_reason', isText(t.reason, TEXT.reason)),
    check('order_event_first_has_no_from', sql`(${t.version} = 1) = (${t.fromStage} is null)`),
    // The two below chain each event to the one before it, so that no gap or jump in an order's path can be stored.
    unique('order_event_chain').on(t.orderId, t.version, t.stage),
    foreignKey({
      name: 'order_event_follows',
      columns: [t.orderId, t.previousVersion, t.fromStage],
      foreignColumns: [t.orderId, t.version, t.stage],
    }),
    // What happened on this day? (For reconciliation, which recounts it.)
    index('order_event_by_time').on(t.at),
  ],
);

function moves(from: AnyPgColumn, to: AnyPgColumn): SQL {
  const firsts = RECORDED_MOVES.filter((move) => move.from === null).map((move) => move.to);
  const later = RECORDED_MOVES.filter((move) => move.from !== null).map(
    (move) => `('${move.from}', '${move.to}')`,
  );
  return sql`(${from} is null and ${to} in (${quoted(firsts)})) or (${from}, ${to}) in (${sql.raw(later.join(', '))})`;
}

/**
 * The idempotency key of each effect, and its outcome. Inserted by the statement that has the effect, so that a repeated or late
 * attempt finds it and does nothing.
 */
export const orderStep = pgTable(
  'order_step',
  {
    orderId: uuid('order_id')
      .notNull()
      .references(() => orders.id),
    step: text({ enum: STEPS }).notNull(),
    /**
     * The payment's or the refund's command: a late attempt of a refused payment must not take money after the buyer topped up, the next
     * payment must not get its answer, and an order may have several refunds. Of a deadline that a person puts off, that person's update. The
     * nil UUID for a step that an order takes once, for the refund of the Web UI's Cancel, and for refunds from before 0.8.
     */
    commandId: uuid('command_id').notNull().default(NIL_UUID),
    /** Where the order rested after the step. */
    stage: text({ enum: RESTING_STAGES }).notNull(),
    reason: text(),
    recordedAt: recordedAt(),
  },
  (t) => [
    primaryKey({ name: 'order_step_pkey', columns: [t.orderId, t.step, t.commandId] }),
    check('order_step_step', oneOf(t.step, STEPS)),
    check('order_step_reason', isText(t.reason, TEXT.reason)),
    check(
      'order_step_command',
      sql`case when ${t.step} in ('pay', 'openPayment') then ${t.commandId} <> ${quoted([NIL_UUID])} when ${t.step} in ('refund', 'extendDeadline') then true else ${t.commandId} = ${quoted([NIL_UUID])} end`,
    ),
    // Which payments were made or refused recently?
    index('order_step_payments_by_time')
      .on(t.recordedAt)
      .where(sql`step = 'pay'`),
  ],
);
