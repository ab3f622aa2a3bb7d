/** Wallets, the double-entry ledger of their money, and the money that orders hold. */
import { sql } from 'drizzle-orm';
import {
  bigint,
  check,
  foreignKey,
  index,
  pgTable,
  primaryKey,
  text,
  unique,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core';
import { BALANCE_LIMIT } from '../../domain/limits.ts';
import { TEXT } from '../../domain/text.ts';
import { NIL_UUID, isText, literal, oneOf, money, recordedAt, shopId } from './columns.ts';
import { orders } from './orders.ts';
import { shop } from './shops.ts';

export const HOLD_STATES = ['held', 'captured', 'voided'] as const;
/** `receipt`: a payment was captured. `return`: money of a payment went back to where it came from, or to the order's wallet instead. */
export const TRANSFER_KINDS = ['deposit', 'debit', 'capture', 'refund', 'receipt', 'return'] as const;
/**
 * `funding`: where deposits come from. `sales`: what the shop earned. `provider`: what payment providers took for the shop. `clearing`: what
 * was taken and is not applied to an order yet, or owed back. All are sums of entries, never running balances.
 */
export const ACCOUNTS = ['wallet', 'funding', 'sales', 'provider', 'clearing'] as const;

export const wallet = pgTable(
  'wallet',
  {
    id: uuid().primaryKey(),
    shopId: shopId().references(() => shop.id),
    ownerId: text('owner_id').notNull(),
    currency: text().notNull(),
    posted: money('posted').notNull().default(0),
    held: money('held').notNull().default(0),
    recordedAt: recordedAt(),
  },
  (t) => [
    // For the keys of what belongs to a wallet, which include the shop.
    unique('wallet_in_shop').on(t.shopId, t.id),
    // Which wallets does this buyer own? (The policy of entries asks that for each buyer who reads some.)
    index('wallet_by_owner').on(t.shopId, t.ownerId),
    check('wallet_held_within_posted', sql`0 <= ${t.held} and ${t.held} <= ${t.posted}`),
    check('wallet_owner', isText(t.ownerId, TEXT.party)),
    check('wallet_posted_exact_in_json', sql`${t.posted} <= ${literal(BALANCE_LIMIT)}`),
  ],
);

/** Buyers besides its owner who may pay with a wallet, because its owner said so. */
export const walletPermission = pgTable(
  'wallet_permission',
  {
    walletId: uuid('wallet_id')
      .notNull()
      .references(() => wallet.id),
    buyerId: text('buyer_id').notNull(),
    recordedAt: recordedAt(),
  },
  (t) => [
    primaryKey({ name: 'wallet_permission_pkey', columns: [t.walletId, t.buyerId] }),
    check('wallet_permission_buyer', isText(t.buyerId, TEXT.party)),
  ],
);

/** Its keys include the shop, so that no order can hold money of another shop's wallet. */
export const hold = pgTable(
  'hold',
  {
    orderId: uuid('order_id').primaryKey(),
    shopId: shopId(),
    walletId: uuid('wallet_id').notNull(),
    amount: money('amount').notNull(),
    state: text({ enum: HOLD_STATES }).notNull(),
  },
  (t) => [
    foreignKey({
      name: 'hold_order',
      columns: [t.shopId, t.orderId],
      foreignColumns: [orders.shopId, orders.id],
    }),
    foreignKey({
      name: 'hold_wallet',
      columns: [t.shopId, t.walletId],
      foreignColumns: [wallet.shopId, wallet.id],
    }),
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
    shopId: shopId(),
    kind: text({ enum: TRANSFER_KINDS }).notNull(),
    orderId: uuid('order_id'),
    /** The refund's command. The nil UUID for a refund without one, for a payment that is returned, and for every other transfer. */
    commandId: uuid('command_id').notNull().default(NIL_UUID),
    /** Of a receipt or a return. */
    paymentId: uuid('payment_id'),
    recordedAt: recordedAt(),
  },
  (t) => [
    foreignKey({
      name: 'transfer_order',
      columns: [t.shopId, t.orderId],
      foreignColumns: [orders.shopId, orders.id],
    }),
    check('transfer_kind', oneOf(t.kind, TRANSFER_KINDS)),
    check('transfer_deposit_has_no_order', sql`(${t.kind} = 'deposit') = (${t.orderId} is null)`),
    check('transfer_of_payment', sql`(${t.kind} in ('receipt', 'return')) = (${t.paymentId} is not null)`),
    // One receipt per payment.
    uniqueIndex('transfer_one_receipt')
      .on(t.paymentId)
      .where(sql`kind = 'receipt'`),
    // One return per payment and refund.
    uniqueIndex('transfer_one_return_of_command')
      .on(t.paymentId, t.commandId)
      .where(sql`kind = 'return'`),
    // One debit or capture per order.
    uniqueIndex('transfer_one_payment')
      .on(t.orderId)
      .where(sql`kind in ('debit', 'capture')`),
    // One refund per command.
    uniqueIndex('transfer_one_refund_of_command')
      .on(t.orderId, t.commandId)
      .where(sql`kind = 'refund'`),
  ],
);

/** A leg of a transfer. The legs of a transfer sum to zero. Never changed. */
export const entry = pgTable(
  'entry',
  {
    seq: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    shopId: shopId(),
    transferId: uuid('transfer_id')
      .notNull()
      .references(() => transfer.id),
    account: text({ enum: ACCOUNTS }).notNull(),
    walletId: uuid('wallet_id'),
    amount: money('amount').notNull(),
    currency: text().notNull(),
    /** The wallet's balance just after this entry. */
    postedAfter: money('posted_after'),
    heldAfter: money('held_after'),
  },
  (t) => [
    foreignKey({
      name: 'entry_wallet',
      columns: [t.shopId, t.walletId],
      foreignColumns: [wallet.shopId, wallet.id],
    }),
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
