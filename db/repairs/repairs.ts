/**
 * What reconciliation repairs in the tables. Each repair is one transaction: it locks the finding and then the rows, in the
 * order of the steps (order, SKU, wallet), looks again at what is there now, and writes the change together with what was
 * there before. A second run at the same time finds the finding ended, or nothing left to do.
 */
import { v7 as uuidv7 } from 'uuid';
import type { Database } from '../connection.ts';
import type { Queryable, Sql } from '../postgres.ts';
import { BALANCE_LIMIT } from '../../domain/limits.ts';
import { keepRepair, takeBack, type OpenFinding, type Repaired } from '../findings.ts';
import type { TableKind } from '../rules/looks.ts';

type Repair = (sql: Queryable, subject: string) => Promise<Repaired | 'nothing wrong' | 'for a person'>;

/** Kinds that are repaired whenever they are found. */
const AUTOMATIC: ReadonlySet<TableKind> = new Set([
  'units_held_by_closed_order',
  'money_held_by_closed_order',
  'money_taken_without_payment',
]);

/** Kinds that are repaired when somebody says so: a counter may be right, and what it counts wrong. */
const ON_REQUEST: ReadonlySet<TableKind> = new Set(['stock_counter_wrong', 'wallet_counter_wrong']);

/** Whether a repair sums all that ever happened to a SKU or a wallet, which takes ever longer. */
export const sumsLedger = (kind: TableKind): boolean => ON_REQUEST.has(kind);

export const isRepaired = (kind: TableKind, repairCounters: boolean): boolean =>
  AUTOMATIC.has(kind) || (repairCounters && ON_REQUEST.has(kind));

/**
 * Repairs what a finding is about. Returns whether anything was changed.
 * @param startedAt when the run began, ISO 8601.
 * @param longMs milliseconds that a statement may take, on a connection of its own; as others have, unless given. The rows stay
 * locked as long.
 */
export function repairFinding(
  database: Database,
  kind: TableKind,
  { id, subject }: OpenFinding,
  startedAt: string,
  longMs?: number,
): Promise<boolean> {
  const repair = REPAIRS[kind];
  if (!repair) return Promise.resolve(false);
  const inTransaction = (sql: Sql): Promise<boolean> =>
    sql.begin(async (transaction) => {
      const open = await transaction`select from finding where id = ${id} and state = 'open' for update`;
      if (open.length === 0) return false;
      const result = await repair(transaction, subject);
      if (result === 'nothing wrong') await takeBack(transaction, id, startedAt);
      if (result === 'nothing wrong' || result === 'for a person') return false;
      await keepRepair(transaction, id, result, new Date().toISOString());
      return true;
    });
  return longMs === undefined
    ? database.run(({ sql }) => inTransaction(sql))
    : database.runLong(longMs, inTransaction);
}

const REPAIRS: Readonly<Partial<Record<TableKind, Repair>>> = {
  units_held_by_closed_order: giveUnitsBack,
  money_held_by_closed_order: giveHeldMoneyBack,
  money_taken_without_payment: refundPayment,
  stock_counter_wrong: setStockCounters,
  wallet_counter_wrong: setWalletCounters,
};

async function stageOf(sql: Queryable, orderId: string): Promise<string | undefined> {
  const [order] = await sql<
    { stage: string }[]
  >`select stage from orders where id = ${orderId} for no key update`;
  return order?.stage;
}

const isSold = (stage: string | undefined): boolean => stage === 'paid' || stage === 'refunded';

async function giveUnitsBack(sql: Queryable, subject: string): ReturnType<Repair> {
  const [sku = '', orderId = ''] = subject.split('/');
  const stage = await stageOf(sql, orderId);
  const stock = await lockedStock(sql, sku);
  const [held] = await sql<{ quantity: number }[]>`
    select quantity from reservation where order_id = ${orderId} and sku = ${sku} and state = 'held'
  `;
  if (stage === 'awaiting_payment' || !held || !stock) return 'nothing wrong';
  const { quantity } = held;
  // A reservation that the counter does not count was not made by a step: then only the reservation is wrong.
  const counted = stock.reserved >= stock.held ? quantity : 0;
  const state = isSold(stage) ? 'consumed' : 'released';
  const after = {
    onHand: stock.onHand - (isSold(stage) ? counted : 0),
    reserved: stock.reserved - counted,
  };
  await sql`update reservation set state = ${state} where order_id = ${orderId} and sku = ${sku} and state = 'held'`;
  await sql`update sku set on_hand = ${after.onHand}, reserved = ${after.reserved} where sku = ${sku}`;
  return {
    done: `${quantity} units of ${sku} were ${isSold(stage) ? 'taken off the shelf, as the order is paid' : 'given back'}.`,
    before: { reservation: 'held', onHand: stock.onHand, reserved: stock.reserved },
    after: { reservation: state, ...after },
  };
}

async function giveHeldMoneyBack(sql: Queryable, subject: string): ReturnType<Repair> {
  const [walletId = '', orderId = ''] = subject.split('/');
  const stage = await stageOf(sql, orderId);
  const wallet = await lockedWallet(sql, walletId);
  const [hold] = await sql<{ amount: number }[]>`
    select amount from hold where order_id = ${orderId} and wallet_id = ${walletId} and state = 'held'
  `;
  if (stage === 'awaiting_payment' || !hold || !wallet) return 'nothing wrong';
  const counted = wallet.held >= wallet.holds ? hold.amount : 0;
  const state = isSold(stage) ? 'captured' : 'voided';
  const held = wallet.held - counted;
  await sql`update hold set state = ${state} where order_id = ${orderId} and state = 'held'`;
  await sql`update wallet set posted = ${wallet.posted}, held = ${held} where id = ${walletId}`;
  return {
    done: `The hold of ${hold.amount} was ${state}.`,
    before: { hold: 'held', held: wallet.held },
    after: { hold: state, held },
  };
}

/** Gives back what was taken for an order that is over. One that is still open may yet be paid: that is for a person. */
async function refundPayment(sql: Queryable, orderId: string): ReturnType<Repair> {
  const stage = await stageOf(sql, orderId);
  if (isSold(stage)) return 'nothing wrong';
  if (stage === undefined || stage === 'awaiting_payment') return 'for a person';
  const [payment] = await sql<{ walletId: string; amount: number; currency: string }[]>`
    select wallet_id as "walletId", -amount as amount, currency
    from transfer join entry on entry.transfer_id = transfer.id and account = 'wallet'
    where order_id = ${orderId} and kind in ('debit', 'capture')
  `;
  const refunds = await sql`select from transfer where order_id = ${orderId} and kind = 'refund'`;
  const wallet = payment && (await lockedWallet(sql, payment.walletId));
  if (refunds.length > 0) return 'nothing wrong';
  if (!wallet) return 'for a person';
  const { walletId, amount, currency } = payment;
  const posted = wallet.posted + amount;
  // It does not fit. The finding stays open, and a later run looks again.
  if (posted > BALANCE_LIMIT) return 'for a person';
  const transferId = uuidv7();
  await sql`insert into transfer (id, kind, order_id) values (${transferId}, 'refund', ${orderId})`;
  await sql`update wallet set posted = ${posted}, held = ${wallet.held} where id = ${walletId}`;
  await sql`
    insert into entry (transfer_id, account, wallet_id, amount, currency, posted_after, held_after)
    values
      (${transferId}, 'wallet', ${walletId}, ${amount}, ${currency}, ${posted}, ${wallet.held}),
      (${transferId}, 'sales', null, ${-amount}, ${currency}, null, null)
  `;
  return {
    done: `${amount} ${currency} were put back into the wallet.`,
    before: { posted: wallet.posted },
    after: { posted, transferId },
  };
}

async function setStockCounters(sql: Queryable, sku: string): ReturnType<Repair> {
  const stock = await lockedStock(sql, sku);
  if (!stock) return 'nothing wrong';
  // Of all that ever came and went. The other repairs do without: it grows with what was sold.
  const [moved] = await sql<{ onHand: number }[]>`
    select
      (select coalesce(sum(quantity), 0) from stock_movement where sku = ${sku})::bigint
      - (select coalesce(sum(quantity), 0) from reservation where sku = ${sku} and state = 'consumed')::bigint as "onHand"
  `;
  const before = { onHand: stock.onHand, reserved: stock.reserved };
  const after = { onHand: moved?.onHand ?? 0, reserved: stock.held };
  const same = before.onHand === after.onHand && before.reserved === after.reserved;
  if (same) return 'nothing wrong';
  // More is held than there can be: which of the orders goes without?
  if (after.reserved > after.onHand) return 'for a person';
  await sql`update sku set on_hand = ${after.onHand}, reserved = ${after.reserved} where sku = ${sku}`;
  return { done: 'The counters were set to what they sum.', before, after };
}

async function setWalletCounters(sql: Queryable, walletId: string): ReturnType<Repair> {
  const wallet = await lockedWallet(sql, walletId);
  if (!wallet) return 'nothing wrong';
  // As above: of all that ever happened to the wallet.
  const [moved] = await sql<{ posted: number }[]>`
    select coalesce(sum(amount), 0)::bigint as posted from entry where wallet_id = ${walletId}
  `;
  const before = { posted: wallet.posted, held: wallet.held };
  const after = { posted: moved?.posted ?? 0, held: wallet.holds };
  const same = before.posted === after.posted && before.held === after.held;
  if (same) return 'nothing wrong';
  if (after.held > after.posted) return 'for a person';
  await sql`update wallet set posted = ${after.posted}, held = ${after.held} where id = ${walletId}`;
  return { done: 'The counters were set to what they sum.', before, after };
}

interface Stock {
  onHand: number;
  reserved: number;
  held: number;
}

/** The sums are of a later snapshot than the lock, so no step comes in between: each locks the SKU first. */
async function lockedStock(sql: Queryable, sku: string): Promise<Stock | undefined> {
  await sql`select from sku where sku = ${sku} for no key update`;
  const [stock] = await sql<Stock[]>`
    select
      on_hand as "onHand", reserved,
      (select coalesce(sum(quantity), 0)::bigint from reservation where sku = ${sku} and state = 'held') as held
    from sku
    where sku = ${sku}
  `;
  return stock;
}

interface Purse {
  posted: number;
  held: number;
  holds: number;
}

async function lockedWallet(sql: Queryable, walletId: string): Promise<Purse | undefined> {
  await sql`select from wallet where id = ${walletId} for no key update`;
  const [purse] = await sql<Purse[]>`
    select
      posted, held,
      (select coalesce(sum(amount), 0)::bigint from hold where wallet_id = ${walletId} and state = 'held') as holds
    from wallet
    where id = ${walletId}
  `;
  return purse;
}
