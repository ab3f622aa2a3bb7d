/** Payments of orders in parts: from where, how far, what holds their money in a wallet, and what their provider said. */
import { sql, type SQL } from 'drizzle-orm';
import {
  boolean,
  check,
  foreignKey,
  index,
  integer,
  pgTable,
  primaryKey,
  text,
  unique,
  uuid,
  type AnyPgColumn,
} from 'drizzle-orm/pg-core';
import {
  NOTIFICATION_STATES,
  PAYMENT_HOLD_STATES,
  PAYMENT_METHODS,
  PAYMENT_MOVES,
  PAYMENT_STATES,
  REFUND_PAYMENT_STATES,
} from '../../domain/payments.ts';
import { TEXT } from '../../domain/text.ts';
import { instant, isText, money, oneOf, quoted, recordedAt, shopId } from './columns.ts';
import { orders } from './orders.ts';
import { refund } from './refunds.ts';
import { transfer, wallet } from './wallets.ts';

export const payment = pgTable(
  'payment',
  {
    /** The id of the command that opened it, and its reference at the provider. */
    id: uuid().primaryKey(),
    shopId: shopId(),
    orderId: uuid('order_id').notNull(),
    method: text({ enum: PAYMENT_METHODS }).notNull(),
    amount: money('amount').notNull(),
    currency: text().notNull(),
    state: text({ enum: PAYMENT_STATES }).notNull(),
    /**
     * Whether the order counts on it. Once it does not, it never does again: what is authorised is voided, and what was captured is
     * returned.
     */
    secures: boolean().notNull(),
    /** What of it was given back by refunds of the order. */
    refunded: money('refunded').notNull().default(0),
    /** Null while the provider has not answered. */
    providerId: text('provider_id'),
    /** Why it was declined, voided or returned. */
    reason: text(),
    openedAt: instant('opened_at').notNull(),
    updatedAt: instant('updated_at').notNull(),
    /** Of its last event. */
    version: integer().notNull(),
  },
  (t) => [
    foreignKey({
      name: 'payment_order',
      columns: [t.shopId, t.orderId],
      foreignColumns: [orders.shopId, orders.id],
    }),
    unique('payment_by_provider_id').on(t.providerId),
    check('payment_method', oneOf(t.method, PAYMENT_METHODS)),
    check('payment_state', oneOf(t.state, PAYMENT_STATES)),
    check('payment_amount_positive', sql`${t.amount} > 0`),
    check(
      'payment_refunded_at_most_amount',
      sql`${t.refunded} = 0 or (${t.state} = 'captured' and 0 < ${t.refunded} and ${t.refunded} <= ${t.amount})`,
    ),
    check(
      'payment_secures_while_live',
      sql`not ${t.secures} or ${t.state} in ('pending', 'authorised', 'capturing', 'captured')`,
    ),
    check('payment_provider_id', isText(t.providerId, TEXT.providerId)),
    check('payment_reason', isText(t.reason, TEXT.paymentReason)),
    // Which payments does this order have, first to last? (Ids sort by time.)
    index('payment_by_order').on(t.orderId, t.id),
    // Which payments have something left to do, the longest waiting first?
    index('payment_unsettled')
      .on(t.updatedAt, t.id)
      .where(sql`state in ('pending', 'authorised', 'capturing') or (state = 'captured' and not secures)`),
    // Which captured payments does no order use?
    index('payment_unused')
      .on(t.id)
      .where(sql`state = 'captured' and not secures`),
  ],
);

/** The states of a payment, one after the other. Never changed. */
export const paymentEvent = pgTable(
  'payment_event',
  {
    paymentId: uuid('payment_id')
      .notNull()
      .references(() => payment.id),
    version: integer().notNull(),
    fromState: text('from_state', { enum: PAYMENT_STATES }),
    previousVersion: integer('previous_version').generatedAlwaysAs(sql`nullif(version - 1, 0)`),
    state: text({ enum: PAYMENT_STATES }).notNull(),
    reason: text(),
    at: instant('at').notNull(),
  },
  (t) => [
    primaryKey({ name: 'payment_event_pkey', columns: [t.paymentId, t.version] }),
    check('payment_event_move', moves(t.fromState, t.state)),
    check('payment_event_first_has_no_from', sql`(${t.version} = 1) = (${t.fromState} is null)`),
    check('payment_event_reason', isText(t.reason, TEXT.paymentReason)),
    unique('payment_event_chain').on(t.paymentId, t.version, t.state),
    foreignKey({
      name: 'payment_event_follows',
      columns: [t.paymentId, t.previousVersion, t.fromState],
      foreignColumns: [t.paymentId, t.version, t.state],
    }),
  ],
);

function moves(from: AnyPgColumn, to: AnyPgColumn): SQL {
  const firsts = PAYMENT_MOVES.filter((move) => move.from === null).map((move) => move.to);
  const later = PAYMENT_MOVES.filter((move) => move.from !== null).map(
    (move) => `('${move.from}', '${move.to}')`,
  );
  return sql`(${from} is null and ${to} in (${quoted(firsts)})) or (${from}, ${to}) in (${sql.raw(later.join(', '))})`;
}

/** What a buyer pays with, until the payment is known. It never leaves the database but for the provider. */
export const paymentSource = pgTable(
  'payment_source',
  {
    /** Not a foreign key: it is written before the payment is. */
    paymentId: uuid('payment_id').primaryKey(),
    shopId: shopId(),
    source: text().notNull(),
    recordedAt: recordedAt(),
  },
  (t) => [check('payment_source_source', isText(t.source, TEXT.paymentSource))],
);

/** What a wallet has of a payment: the money that it sets aside, takes and gives back. It is what a provider's own book is elsewhere. */
export const paymentHold = pgTable(
  'payment_hold',
  {
    paymentId: uuid('payment_id')
      .primaryKey()
      .references(() => payment.id),
    shopId: shopId(),
    orderId: uuid('order_id').notNull(),
    walletId: uuid('wallet_id').notNull(),
    amount: money('amount').notNull(),
    /** `declined`: there was not enough, and never will be for this payment. */
    state: text({ enum: PAYMENT_HOLD_STATES }).notNull(),
    /** What went back into the wallet so far: the sum of its returns. */
    returned: money('returned').notNull().default(0),
  },
  (t) => [
    foreignKey({
      name: 'payment_hold_wallet',
      columns: [t.shopId, t.walletId],
      foreignColumns: [wallet.shopId, wallet.id],
    }),
    check('payment_hold_state', oneOf(t.state, PAYMENT_HOLD_STATES)),
    check('payment_hold_amount_positive', sql`${t.amount} > 0`),
    check(
      'payment_hold_returned_at_most_amount',
      sql`${t.returned} = 0 or (${t.state} = 'captured' and 0 < ${t.returned} and ${t.returned} <= ${t.amount})`,
    ),
    // Which money does this order hold?
    index('payment_hold_by_order').on(t.orderId),
    // Which payments hold money of this wallet?
    index('payment_hold_held_by_wallet')
      .on(t.walletId, t.orderId, t.paymentId)
      .where(sql`state = 'held'`),
  ],
);

/** What of a refund goes back to a payment. The rest of it went to the wallet in the refund's own statement. */
export const refundPayment = pgTable(
  'refund_payment',
  {
    orderId: uuid('order_id').notNull(),
    commandId: uuid('command_id').notNull(),
    paymentId: uuid('payment_id')
      .notNull()
      .references(() => payment.id),
    amount: money('amount').notNull(),
    state: text({ enum: REFUND_PAYMENT_STATES }).notNull(),
    /** Of the return; null while it is owed. */
    transferId: uuid('transfer_id').references(() => transfer.id),
  },
  (t) => [
    primaryKey({ name: 'refund_payment_pkey', columns: [t.orderId, t.commandId, t.paymentId] }),
    foreignKey({
      name: 'refund_payment_refund',
      columns: [t.orderId, t.commandId],
      foreignColumns: [refund.orderId, refund.commandId],
    }),
    check('refund_payment_state', oneOf(t.state, REFUND_PAYMENT_STATES)),
    check('refund_payment_amount_positive', sql`${t.amount} > 0`),
    check('refund_payment_sent', sql`(${t.state} = 'owed') = (${t.transferId} is null)`),
    // Which refunds are still owed to this payment?
    index('refund_payment_owed')
      .on(t.paymentId)
      .where(sql`state = 'owed'`),
  ],
);

/** What a payment provider sent. It only makes Holdfast ask: its contents change nothing. */
export const paymentNotification = pgTable(
  'payment_notification',
  {
    /** The header `webhook-id`: a notification that comes again is the same row. */
    id: text().primaryKey(),
    /** Whose payment it says it is about. */
    reference: text().notNull(),
    providerId: text('provider_id').notNull(),
    type: text().notNull(),
    receivedAt: instant('received_at').notNull(),
    state: text({ enum: NOTIFICATION_STATES }).notNull(),
    handledAt: instant('handled_at'),
  },
  (t) => [
    check('payment_notification_id', isText(t.id, TEXT.providerId)),
    check('payment_notification_reference', isText(t.reference, TEXT.providerId)),
    check('payment_notification_provider_id', isText(t.providerId, TEXT.providerId)),
    check('payment_notification_type', isText(t.type, TEXT.providerId)),
    check('payment_notification_state', oneOf(t.state, NOTIFICATION_STATES)),
    check(
      'payment_notification_handled',
      sql`(${t.state} in ('handled', 'returned')) = (${t.handledAt} is not null)`,
    ),
    // Of which payments was Holdfast notified that nobody here asked for?
    index('payment_notification_unmatched')
      .on(t.reference, t.id)
      .where(sql`state in ('unmatched', 'returned')`),
    // Which notifications wait, the oldest first?
    index('payment_notification_waiting')
      .on(t.receivedAt, t.id)
      .where(sql`state in ('received', 'unmatched')`),
    // Which notifications are over, the oldest first?
    index('payment_notification_over')
      .on(t.receivedAt, t.id)
      .where(sql`state in ('handled', 'returned')`),
  ],
);
