/** The shop's figures, and the events that they do not count yet. */
import { sql } from 'drizzle-orm';
import {
  bigint,
  boolean,
  check,
  date,
  index,
  integer,
  numeric,
  pgTable,
  primaryKey,
  text,
  uuid,
} from 'drizzle-orm/pg-core';
import { instant, shopId } from './columns.ts';

// Orders have at most 10^6 units of a SKU, so no count of them comes near what int8 holds.
const figure = (name: string) => bigint(name, { mode: 'bigint' }).notNull();
/** An order's total may be 2^53 - 1, and int8 holds a thousand times that. */
const moneyFigure = (name: string) => numeric(name, { precision: 40, scale: 0, mode: 'bigint' }).notNull();

/** The figures of a day: of a whole shop (SKU ''), or of one of its SKUs. Currency '' is for orders that were never priced. */
const dayFigures = () => ({
  shopId: shopId(),
  sku: text().notNull(),
  /** In UTC, by the time of the event. */
  day: date({ mode: 'string' }).notNull(),
  currency: text().notNull(),
  /** Orders, by what was recorded of them on that day. Placed: the first that was recorded, however it ended. */
  placed: figure('placed'),
  rejected: figure('rejected'),
  paid: figure('paid'),
  cancelled: figure('cancelled'),
  expired: figure('expired'),
  refunded: figure('refunded'),
  /** Money of the orders that were paid and refunded on that day. For the whole shop it is the ledger's. */
  revenue: moneyFigure('revenue'),
  refunds: moneyFigure('refunds'),
  unitsSold: figure('units_sold'),
  /** Put back on hand by refunds. */
  unitsReturned: figure('units_returned'),
});

/**
 * What was ordered, sold and given back on a day. Always equal to the events that are no longer in stat_pending, the transaction that
 * takes them out adds them here, and to {@link statArchived}.
 */
export const stat = pgTable('stat', dayFigures(), (t) => [
  // How did the shop, or this SKU, do between these days?
  primaryKey({ name: 'stat_pkey', columns: [t.shopId, t.sku, t.day, t.currency] }),
  // What is counted of this day? (For reconciliation.)
  index('stat_by_day').on(t.day),
]);

/** What {@link stat} counts of events that were dropped with their month: added by the transaction that drops them. */
export const statArchived = pgTable('stat_archived', dayFigures(), (t) => [
  primaryKey({ name: 'stat_archived_pkey', columns: [t.shopId, t.sku, t.day, t.currency] }),
  // What was counted of this day and is dropped? (For reconciliation.)
  index('stat_archived_by_day').on(t.day),
]);

/**
 * Events that `stat` does not count yet. A trigger puts each event here in the transaction that records it, so it is here or
 * counted, whatever is killed; nothing depends on the order in which transactions commit.
 */
export const statPending = pgTable('stat_pending', {
  /** Only for taking some at a time: a scan from the beginning would pass all that were there before. */
  id: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
  orderId: uuid('order_id').notNull(),
  version: integer().notNull(),
});

/** One row, locked while events are counted: one count at a time. */
export const statProgress = pgTable(
  'stat_progress',
  {
    id: boolean().primaryKey().default(true),
    /** Everything recorded until then is counted. Null before the first time. */
    countedUntil: instant('counted_until'),
    /** Batches counted so far: while no month is dropped and it stays the same, `stat` is the sum of the same events. */
    batches: bigint({ mode: 'number' }).notNull().default(0),
    /** Nothing is counted before this time: comparing figures with their events may take several queries. */
    pausedUntil: instant('paused_until').notNull().defaultNow(),
  },
  (t) => [check('stat_progress_one_row', sql`${t.id}`)],
);
