/** Refunds of orders, in part or of all that is left, each with its units. Never changed. */
import { sql } from 'drizzle-orm';
import {
  boolean,
  check,
  foreignKey,
  integer,
  pgTable,
  primaryKey,
  text,
  unique,
  uuid,
} from 'drizzle-orm/pg-core';
import { TEXT } from '../../domain/text.ts';
import { NIL_UUID, instant, isText, money, shopId, units } from './columns.ts';
import { orderLine, orders } from './orders.ts';
import { transfer } from './wallets.ts';

export const refund = pgTable(
  'refund',
  {
    orderId: uuid('order_id').notNull(),
    /** The nil UUID for a refund without a command, and when it was not kept: of refunds from before 0.8 whose events are dropped. */
    commandId: uuid('command_id').notNull().default(NIL_UUID),
    /** Of the order's event that records it. */
    version: integer().notNull(),
    shopId: shopId(),
    /** Zero when the units cost nothing. */
    amount: money('amount').notNull(),
    currency: text().notNull(),
    reason: text().notNull(),
    at: instant('at').notNull(),
    /** Null when there was no money to move. */
    transferId: uuid('transfer_id').references(() => transfer.id),
  },
  (t) => [
    primaryKey({ name: 'refund_pkey', columns: [t.orderId, t.commandId] }),
    foreignKey({
      name: 'refund_order',
      columns: [t.shopId, t.orderId],
      foreignColumns: [orders.shopId, orders.id],
    }),
    // Which refunds does this order have, first to last? Which one is this event?
    unique('refund_by_version').on(t.orderId, t.version),
    check('refund_follows_payment', sql`${t.version} > 2`),
    check('refund_moves_money', sql`${t.amount} >= 0 and (${t.amount} = 0) = (${t.transferId} is null)`),
    check('refund_reason', isText(t.reason, TEXT.reason)),
  ],
);

/** The units of a refund. A refund of an amount has none. */
export const refundLine = pgTable(
  'refund_line',
  {
    orderId: uuid('order_id').notNull(),
    commandId: uuid('command_id').notNull(),
    sku: text().notNull(),
    quantity: units('quantity').notNull(),
    /** What these units cost. Less may be left of the payment, so the last refund of an order may be of less than its lines. */
    amount: money('amount').notNull(),
    /** Whether they went back on hand. */
    restocked: boolean().notNull(),
  },
  (t) => [
    primaryKey({ name: 'refund_line_pkey', columns: [t.orderId, t.commandId, t.sku] }),
    foreignKey({
      name: 'refund_line_refund',
      columns: [t.orderId, t.commandId],
      foreignColumns: [refund.orderId, refund.commandId],
    }),
    foreignKey({
      name: 'refund_line_line',
      columns: [t.orderId, t.sku],
      foreignColumns: [orderLine.orderId, orderLine.sku],
    }),
    check('refund_line_quantity_positive', sql`${t.quantity} > 0`),
    check('refund_line_amount', sql`${t.amount} >= 0`),
  ],
);
