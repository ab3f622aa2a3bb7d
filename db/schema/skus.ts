/** What is sold: SKUs, the movements of their units, and the units that orders reserve. */
import { sql } from 'drizzle-orm';
import { check, foreignKey, index, pgTable, primaryKey, text, uniqueIndex, uuid } from 'drizzle-orm/pg-core';
import { PRICE_LIMIT } from '../../domain/limits.ts';
import { SKU_CODE, TEXT } from '../../domain/text.ts';
import { NIL_UUID, isText, literal, isCode, oneOf, money, shopId, units, recordedAt } from './columns.ts';
import { orders } from './orders.ts';
import { shop } from './shops.ts';

export const RESERVATION_STATES = ['held', 'consumed', 'released'] as const;
export const MOVEMENT_KINDS = ['initial', 'restock', 'adjustment', 'return'] as const;

export const sku = pgTable(
  'sku',
  {
    shopId: shopId().references(() => shop.id),
    sku: text().notNull(),
    name: text().notNull(),
    price: money('price').notNull(),
    currency: text().notNull(),
    onHand: units('on_hand').notNull(),
    reserved: units('reserved').notNull().default(0),
  },
  (t) => [
    primaryKey({ name: 'sku_pkey', columns: [t.shopId, t.sku] }),
    check('sku_reserved_within_on_hand', sql`0 <= ${t.reserved} and ${t.reserved} <= ${t.onHand}`),
    check('sku_price_positive', sql`${t.price} > 0`),
    check('sku_sku', isCode(t.sku, SKU_CODE)),
    check('sku_name', isText(t.name, TEXT.title)),
    check('sku_price_payable', sql`${t.price} <= ${literal(PRICE_LIMIT)}`),
  ],
);

/** Changes of a SKU's units on hand other than sales. Never changed; a SKU's movements sum to what it has and what it sold. */
export const stockMovement = pgTable(
  'stock_movement',
  {
    id: uuid().primaryKey(),
    shopId: shopId(),
    sku: text().notNull(),
    kind: text({ enum: MOVEMENT_KINDS }).notNull(),
    quantity: units('quantity').notNull(),
    orderId: uuid('order_id'),
    /** The command of the refund that brought the units back. The nil UUID for a refund without one, and for every other movement. */
    commandId: uuid('command_id').notNull().default(NIL_UUID),
    recordedAt: recordedAt(),
  },
  (t) => [
    foreignKey({
      name: 'stock_movement_sku',
      columns: [t.shopId, t.sku],
      foreignColumns: [sku.shopId, sku.sku],
    }),
    foreignKey({
      name: 'stock_movement_order',
      columns: [t.shopId, t.orderId],
      foreignColumns: [orders.shopId, orders.id],
    }),
    check('stock_movement_kind', oneOf(t.kind, MOVEMENT_KINDS)),
    check('stock_movement_not_zero', sql`${t.quantity} <> 0`),
    check('stock_movement_return_has_order', sql`(${t.kind} = 'return') = (${t.orderId} is not null)`),
    // A return is booked once per refund and SKU.
    uniqueIndex('stock_movement_one_return_of_command').on(t.orderId, t.sku, t.commandId),
    // Where do this SKU's units come from?
    index('stock_movement_by_sku').on(t.shopId, t.sku),
  ],
);

/** Its keys include the shop, so that no order can reserve units of another shop. */
export const reservation = pgTable(
  'reservation',
  {
    shopId: shopId(),
    orderId: uuid('order_id').notNull(),
    sku: text().notNull(),
    quantity: units('quantity').notNull(),
    state: text({ enum: RESERVATION_STATES }).notNull(),
  },
  (t) => [
    primaryKey({ name: 'reservation_pkey', columns: [t.orderId, t.sku] }),
    foreignKey({
      name: 'reservation_order',
      columns: [t.shopId, t.orderId],
      foreignColumns: [orders.shopId, orders.id],
    }),
    foreignKey({
      name: 'reservation_sku',
      columns: [t.shopId, t.sku],
      foreignColumns: [sku.shopId, sku.sku],
    }),
    check('reservation_state', oneOf(t.state, RESERVATION_STATES)),
    check('reservation_quantity_positive', sql`${t.quantity} > 0`),
    // Who holds units of this SKU? (Few rows: open orders only.)
    index('reservation_held_by_sku')
      .on(t.shopId, t.sku, t.orderId)
      .where(sql`state = 'held'`),
    // How many units of this SKU were sold?
    index('reservation_consumed_by_sku')
      .on(t.shopId, t.sku, t.quantity)
      .where(sql`state = 'consumed'`),
  ],
);
