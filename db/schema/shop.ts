/**
 * Stock, money, orders and the keys of their calls, with their constraints and indexes. What Drizzle cannot express (rows that
 * never change, legs that sum to zero, an order that rests at its last event) is in migrations/0001_rules.sql.
 *
 * Times that a business rule reads come from workflows.
 */
import { sql, type SQL } from 'drizzle-orm';
import {
  bigint,
  check,
  doublePrecision,
  foreignKey,
  index,
  integer,
  json,
  pgTable,
  primaryKey,
  text,
  unique,
  uniqueIndex,
  uuid,
  type AnyPgColumn,
} from 'drizzle-orm/pg-core';
import { BALANCE_LIMIT, PRICE_LIMIT, TOTAL_LIMIT } from '../../domain/limits.ts';
import { PAYMENT_MODES, STEPS } from '../../domain/order.ts';
import { RECORDED_MOVES, RESTING_STAGES } from '../../domain/stages.ts';
import { IDEMPOTENCY_KEY_PATTERN, SKU_PATTERN, TEXT } from '../../domain/text.ts';
import {
  NIL_UUID,
  isText,
  literal,
  matches,
  quoted,
  oneOf,
  money,
  units,
  instant,
  recordedAt,
} from './columns.ts';

export const RESERVATION_STATES = ['held', 'consumed', 'released'] as const;
export const HOLD_STATES = ['held', 'captured', 'voided'] as const;
export const TRANSFER_KINDS = ['deposit', 'debit', 'capture', 'refund'] as const;
/** `funding`: where deposits come from. `sales`: what the shop earned. Both are sums of entries, never a running balance. */
export const ACCOUNTS = ['wallet', 'funding', 'sales'] as const;
export const MOVEMENT_KINDS = ['initial', 'restock', 'adjustment', 'return'] as const;

export const sku = pgTable(
  'sku',
  {
    sku: text().primaryKey(),
    name: text().notNull(),
    price: money('price').notNull(),
    currency: text().notNull(),
    onHand: units('on_hand').notNull(),
    reserved: units('reserved').notNull().default(0),
  },
  (t) => [
    check('sku_reserved_within_on_hand', sql`0 <= ${t.reserved} and ${t.reserved} <= ${t.onHand}`),
    check('sku_price_positive', sql`${t.price} > 0`),
    check('sku_sku', matches(t.sku, SKU_PATTERN)),
    check('sku_name', isText(t.name, TEXT.title)),
    check('sku_price_payable', sql`${t.price} <= ${literal(PRICE_LIMIT)}`),
  ],
);

/** Why a SKU's units on hand changed other than by a sale. Never changed; a SKU's movements sum to what it has and sold. */
export const stockMovement = pgTable(
  'stock_movement',
  {
    id: uuid().primaryKey(),
    sku: text()
      .notNull()
      .references(() => sku.sku),
    kind: text({ enum: MOVEMENT_KINDS }).notNull(),
    quantity: units('quantity').notNull(),
    orderId: uuid('order_id').references(() => orders.id),
    recordedAt: recordedAt(),
  },
  (t) => [
    check('stock_movement_kind', oneOf(t.kind, MOVEMENT_KINDS)),
    check('stock_movement_not_zero', sql`${t.quantity} <> 0`),
    check('stock_movement_return_has_order', sql`(${t.kind} = 'return') = (${t.orderId} is not null)`),
    // A return is booked once for an order and SKU.
    uniqueIndex('stock_movement_one_return').on(t.orderId, t.sku),
    // Where do this SKU's units come from?
    index('stock_movement_by_sku').on(t.sku),
  ],
);

export const wallet = pgTable(
  'wallet',
  {
    id: uuid().primaryKey(),
    ownerId: text('owner_id').notNull(),
    currency: text().notNull(),
    posted: money('posted').notNull().default(0),
    held: money('held').notNull().default(0),
    recordedAt: recordedAt(),
  },
  (t) => [
    check('wallet_held_within_posted', sql`0 <= ${t.held} and ${t.held} <= ${t.posted}`),
    check('wallet_owner', isText(t.ownerId, TEXT.party)),
    check('wallet_posted_exact_in_json', sql`${t.posted} <= ${literal(BALANCE_LIMIT)}`),
  ],
);

export const orders = pgTable(
  'orders',
  {
    id: uuid().primaryKey(),
    buyerId: text('buyer_id').notNull(),
    /** Not a foreign key: a rejected order keeps what was asked for, also a wallet that does not exist. */
    walletId: uuid('wallet_id').notNull(),
    paymentMode: text('payment_mode', { enum: PAYMENT_MODES }).notNull(),
    stage: text({ enum: RESTING_STAGES }).notNull(),
    /** A reason code when Holdfast decided, the caller's words when a caller did. */
    reason: text(),
    /** Null when rejected for something that has no price. */
    currency: text(),
    /** Null as well when it is more than an order may come to. */
    total: money('total'),
    paymentDeadline: instant('payment_deadline').notNull(),
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
    // Which orders did this buyer make, newest first? (Ids sort by time.)
    index('orders_by_buyer').on(t.buyerId, t.id),
    // Which orders of this buyer are in this stage?
    index('orders_by_buyer_and_stage').on(t.buyerId, t.stage, t.id),
    // Which orders are in this stage, newest first?
    index('orders_by_stage').on(t.stage, t.id),
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
  },
  (t) => [
    primaryKey({ name: 'order_line_pkey', columns: [t.orderId, t.sku] }),
    check('order_line_quantity_positive', sql`${t.quantity} > 0`),
    check('order_line_sku', matches(t.sku, SKU_PATTERN)),
  ],
);

/** The recorded stages of an order. Never changed. */
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
    // The two below chain each event to the one before it: a gap or a jump in an order's path cannot be stored.
    unique('order_event_chain').on(t.orderId, t.version, t.stage),
    foreignKey({
      name: 'order_event_follows',
      columns: [t.orderId, t.previousVersion, t.fromStage],
      foreignColumns: [t.orderId, t.version, t.stage],
    }),
    // What happened on this day? (For reconciliation, which counts it again.)
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
 * The idempotency key of each effect and what came of it. Inserted by the statement that has the effect, so that a
 * repeated or late attempt finds it and does nothing.
 */
export const orderStep = pgTable(
  'order_step',
  {
    orderId: uuid('order_id')
      .notNull()
      .references(() => orders.id),
    step: text({ enum: STEPS }).notNull(),
    /**
     * The payment's command: one that was refused must not be carried out by a late attempt after the buyer topped up, and the
     * next one must not get its answer. The nil UUID for a step that an order takes once.
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
      'order_step_payment_has_command',
      sql`(${t.step} = 'pay') = (${t.commandId} <> ${quoted([NIL_UUID])})`,
    ),
    // Which payments were made or refused lately?
    index('order_step_payments_by_time')
      .on(t.recordedAt)
      .where(sql`step = 'pay'`),
  ],
);

export const reservation = pgTable(
  'reservation',
  {
    orderId: uuid('order_id')
      .notNull()
      .references(() => orders.id),
    sku: text()
      .notNull()
      .references(() => sku.sku),
    quantity: units('quantity').notNull(),
    state: text({ enum: RESERVATION_STATES }).notNull(),
  },
  (t) => [
    primaryKey({ name: 'reservation_pkey', columns: [t.orderId, t.sku] }),
    check('reservation_state', oneOf(t.state, RESERVATION_STATES)),
    check('reservation_quantity_positive', sql`${t.quantity} > 0`),
    // Who holds units of this SKU? (Few rows: open orders only.)
    index('reservation_held_by_sku')
      .on(t.sku, t.orderId)
      .where(sql`state = 'held'`),
    // How many units of this SKU were sold?
    index('reservation_consumed_by_sku')
      .on(t.sku, t.quantity)
      .where(sql`state = 'consumed'`),
  ],
);

export const hold = pgTable(
  'hold',
  {
    orderId: uuid('order_id')
      .primaryKey()
      .references(() => orders.id),
    walletId: uuid('wallet_id')
      .notNull()
      .references(() => wallet.id),
    amount: money('amount').notNull(),
    state: text({ enum: HOLD_STATES }).notNull(),
  },
  (t) => [
    check('hold_state', oneOf(t.state, HOLD_STATES)),
    check('hold_amount_positive', sql`${t.amount} > 0`),
    // Which open orders hold money of this wallet?
    index('hold_held_by_wallet')
      .on(t.walletId, t.orderId)
      .where(sql`state = 'held'`),
  ],
);

/** A movement of money. Never changed. */
export const transfer = pgTable(
  'transfer',
  {
    id: uuid().primaryKey(),
    kind: text({ enum: TRANSFER_KINDS }).notNull(),
    orderId: uuid('order_id').references(() => orders.id),
    recordedAt: recordedAt(),
  },
  (t) => [
    check('transfer_kind', oneOf(t.kind, TRANSFER_KINDS)),
    check('transfer_deposit_has_no_order', sql`(${t.kind} = 'deposit') = (${t.orderId} is null)`),
    // One debit or capture per order.
    uniqueIndex('transfer_one_payment')
      .on(t.orderId)
      .where(sql`kind in ('debit', 'capture')`),
    // One refund per order.
    uniqueIndex('transfer_one_refund')
      .on(t.orderId)
      .where(sql`kind = 'refund'`),
  ],
);

/** A leg of a transfer. The legs of a transfer sum to zero. Never changed. */
export const entry = pgTable(
  'entry',
  {
    seq: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    transferId: uuid('transfer_id')
      .notNull()
      .references(() => transfer.id),
    account: text({ enum: ACCOUNTS }).notNull(),
    walletId: uuid('wallet_id').references(() => wallet.id),
    amount: money('amount').notNull(),
    currency: text().notNull(),
    /** The wallet's balance just after this entry. */
    postedAfter: money('posted_after'),
    heldAfter: money('held_after'),
  },
  (t) => [
    check('entry_account', oneOf(t.account, ACCOUNTS)),
    check('entry_not_zero', sql`${t.amount} <> 0`),
    check('entry_wallet_only_on_wallet_leg', sql`(${t.account} = 'wallet') = (${t.walletId} is not null)`),
    check(
      'entry_never_overdrawn',
      sql`${t.account} <> 'wallet' or (${t.postedAfter} is not null and ${t.heldAfter} is not null and ${t.heldAfter} >= 0 and ${t.postedAfter} >= ${t.heldAfter})`,
    ),
    // Two legs on one account would hide a movement.
    uniqueIndex('entry_one_leg_per_account').on(t.transferId, t.account),
    // What happened to this wallet, newest first?
    index('entry_by_wallet').on(t.walletId, t.seq),
  ],
);

/** What a POST with an Idempotency-Key was given as its id, and what it was answered. Kept for ever: an answer never changes. */
export const idempotencyKey = pgTable(
  'idempotency_key',
  {
    /** The operation's id in the OpenAPI document: the same key on another call is another key. */
    operation: text().notNull(),
    key: text().notNull(),
    /** SHA-256 of the path's parameters and the body as it was sent; of keys from before 0.4, with its defaults. */
    fingerprint: text().notNull(),
    /** The id of what the call makes (an order, a wallet, a transfer) or of the command that it gives. */
    commandId: uuid('command_id').notNull(),
    /** Until then the first call is taken to be running; afterwards a repeated one takes over. */
    claimedUntil: instant('claimed_until').notNull(),
    responseStatus: integer('response_status'),
    /** Not jsonb: a replay is the first answer to the byte. */
    responseBody: json('response_body'),
    recordedAt: recordedAt(),
  },
  (t) => [
    primaryKey({ name: 'idempotency_key_pkey', columns: [t.operation, t.key] }),
    check('idempotency_key_key', matches(t.key, IDEMPOTENCY_KEY_PATTERN)),
    // Which orders were asked for lately?
    index('idempotency_key_orders_by_time')
      .on(t.recordedAt)
      .where(sql`operation = 'createOrder'`),
  ],
);

/**
 * Until when a caller whose order was refused for load was asked to wait. Unlogged, as it may be lost: who has no ticket
 * queues as a newcomer.
 */
export const admissionTicket = pgTable('admission_ticket', {
  /** The Idempotency-Key of the order. */
  key: text().primaryKey(),
  due: instant('due').notNull(),
});

/** How many orders a second each API process places that refuses some for load: all promise at one pace. Unlogged, too. */
export const admissionPace = pgTable('admission_pace', {
  process: uuid().primaryKey(),
  perSecond: doublePrecision('per_second').notNull(),
  seenAt: instant('seen_at').notNull(),
});
