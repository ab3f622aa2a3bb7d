/** The payment of an order that is paid without one: taken now, or recorded as it must have been. */
import { v7 as uuidv7 } from 'uuid';
import { BALANCE_LIMIT } from '../../domain/limits.ts';
import type { Queryable } from '../postgres.ts';
import { sumOfEntries } from '../rules/money.ts';
import type { DecidedOrder } from './order.ts';
import { refuseUnless } from './refused.ts';

interface Wallet {
  posted: number;
  held: number;
  currency: string;
  /** What its entries sum to. */
  sum: number;
}

interface Price {
  amount: number;
  currency: string;
}

function priceOf({ total, currency }: DecidedOrder): Price {
  refuseUnless(total !== null && currency !== null, 'The order has no price.');
  return { amount: total, currency };
}

async function walletOf(sql: Queryable, { walletId }: DecidedOrder, { currency }: Price): Promise<Wallet> {
  const [wallet] = await sql<Wallet[]>`
    select wallet.posted, held, currency, entries.posted::bigint as sum
    from wallet cross join lateral (${sumOfEntries(sql, sql`${walletId}`)}) as entries
    where id = ${walletId}
  `;
  refuseUnless(wallet !== undefined, `Its wallet ${walletId} does not exist.`);
  refuseUnless(
    wallet.currency === currency,
    `Its wallet is in ${wallet.currency}, and the order in ${currency}.`,
  );
  return wallet;
}

async function refuseIfPaid(sql: Queryable, { id, stage }: DecidedOrder): Promise<void> {
  refuseUnless(stage === 'paid' || stage === 'refunded', `The order is ${stage}.`);
  const paid = await sql`select from transfer where order_id = ${id} and kind in ('debit', 'capture')`;
  refuseUnless(paid.length === 0, 'Money was taken for the order.');
}

/** Takes the price from the order's wallet, from what its hold promised first, or from what its payments brought in. */
export async function takeMoney(sql: Queryable, order: DecidedOrder): Promise<object> {
  await refuseIfPaid(sql, order);
  const price = priceOf(order);
  if (order.secured > 0) return takeFromClearing(sql, order, price);
  await refuseIfConnectable(sql, order, price);
  const wallet = await walletOf(sql, order, price);
  refuseIfUnlike(wallet, price);
  const promised = await captureHold(sql, order);
  const available = wallet.posted - wallet.held + promised;
  refuseUnless(
    available >= price.amount,
    `The price is ${price.amount}, and only ${available} are available in the wallet.`,
  );
  return debit(sql, order, price, { posted: wallet.posted - price.amount, held: wallet.held - promised });
}

/** The wallet's balance lacks the price already: somebody removed the payment from the ledger alone. */
export async function bookPayment(sql: Queryable, order: DecidedOrder): Promise<object> {
  await refuseIfPaid(sql, order);
  const price = priceOf(order);
  refuseUnless(order.secured === 0, 'Its own payments paid it, and no wallet.');
  const wallet = await walletOf(sql, order, price);
  refuseUnless(
    wallet.posted === wallet.sum - price.amount,
    `The wallet has ${wallet.posted}, and ${wallet.sum} by its entries: they do not differ by the price, ${price.amount}.`,
  );
  return debit(sql, order, price, { posted: wallet.posted, held: wallet.held });
}

/** Deposits the price, which the shop bears, and pays with it. */
export async function letShopPay(sql: Queryable, order: DecidedOrder): Promise<object> {
  await refuseIfPaid(sql, order);
  const price = priceOf(order);
  refuseUnless(order.secured === 0, 'Its payments have brought the money in: take it.');
  await refuseIfConnectable(sql, order, price);
  const wallet = await walletOf(sql, order, price);
  refuseIfUnlike(wallet, price);
  const { posted, held } = wallet;
  refuseUnless(posted + price.amount <= BALANCE_LIMIT, 'The wallet is at its limit.');
  const promised = await captureHold(sql, order);
  const depositId = uuidv7();
  await sql`insert into transfer (id, shop_id, kind) values (${depositId}, ${order.shopId}, 'deposit')`;
  await addLegs(sql, order, depositId, 'funding', price, { posted: posted + price.amount, held });
  const paid = await debit(sql, order, price, { posted, held: held - promised });
  return { ...paid, depositId };
}

/** Legs of a transfer that is gone, of the price and from the order's wallet, can be of this order only. */
export async function reconnectPayment(sql: Queryable, order: DecidedOrder): Promise<object> {
  await refuseIfPaid(sql, order);
  const { amount, currency } = priceOf(order);
  refuseUnless(order.secured === 0, 'Its own payments paid it, and no wallet.');
  const [leg, another] = await legsWithoutTransfer(sql, order, { amount, currency });
  refuseUnless(leg !== undefined, "The wallet's entries have none of the price without its transfer.");
  refuseUnless(
    another === undefined,
    'The wallet has several such entries: nobody can say which is of this order.',
  );
  await insertPayment(sql, order, leg.id);
  return { transferId: leg.id };
}

/** What the order's wallet paid of that price to the shop by transfers that are gone: two of them at most. */
const legsWithoutTransfer = (
  sql: Queryable,
  { shopId, walletId }: DecidedOrder,
  { amount, currency }: Price,
): PromiseLike<{ id: string }[]> => sql<{ id: string }[]>`
  select transfer_id as id from entry as leg
  where
    wallet_id = ${walletId} and amount = ${-amount}::bigint and currency = ${currency} and shop_id = ${shopId}
    and not exists (select from transfer where transfer.id = transfer_id)
    and exists (
      select from entry as other
      where other.transfer_id = leg.transfer_id and other.account = 'sales' and other.amount = ${amount}::bigint
    )
  order by seq
  limit 2
`;

function refuseIfUnlike({ posted, sum }: Wallet, { amount }: Price): void {
  refuseUnless(
    posted === sum,
    posted === sum - amount
      ? `The wallet has ${posted}, and ${sum} by its entries: the price was taken from it before. Book the payment instead.`
      : `The wallet has ${posted}, and ${sum} by its entries: repair its counters first.`,
  );
}

/** The price is not taken twice. */
async function refuseIfConnectable(sql: Queryable, order: DecidedOrder, price: Price): Promise<void> {
  const legs = await legsWithoutTransfer(sql, order, price);
  refuseUnless(
    legs.length === 0,
    'The wallet has paid the price by a transfer that is gone: reconnect the payment instead.',
  );
}

/** Returns what the wallet held for the order. */
async function captureHold(sql: Queryable, { id }: DecidedOrder): Promise<number> {
  const [hold] = await sql<{ amount: number }[]>`
    update hold set state = 'captured' where order_id = ${id} and state = 'held' returning amount
  `;
  return hold?.amount ?? 0;
}

async function takeFromClearing(sql: Queryable, order: DecidedOrder, price: Price): Promise<object> {
  const transferId = uuidv7();
  await insertPayment(sql, order, transferId);
  await sql`
    insert into entry (shop_id, transfer_id, account, amount, currency)
    values
      (${order.shopId}, ${transferId}, 'clearing', ${-price.amount}, ${price.currency}),
      (${order.shopId}, ${transferId}, 'sales', ${price.amount}, ${price.currency})
  `;
  return { transferId, account: 'clearing' };
}

/** @param after the wallet as it is then. */
async function debit(
  sql: Queryable,
  order: DecidedOrder,
  price: Price,
  after: { posted: number; held: number },
): Promise<object> {
  const transferId = uuidv7();
  await insertPayment(sql, order, transferId);
  await addLegs(sql, order, transferId, 'sales', { ...price, amount: -price.amount }, after);
  await sql`update wallet set posted = ${after.posted}, held = ${after.held} where id = ${order.walletId}`;
  return { transferId, ...after };
}

const insertPayment = (
  sql: Queryable,
  { id, shopId, paymentMode, secured }: DecidedOrder,
  transferId: string,
) => sql`
  insert into transfer (id, shop_id, kind, order_id)
  values (${transferId}, ${shopId}, ${paymentMode === 'hold' || secured > 0 ? 'capture' : 'debit'}, ${id})
`;

const addLegs = (
  sql: Queryable,
  { shopId, walletId }: DecidedOrder,
  transferId: string,
  other: 'sales' | 'funding',
  { amount, currency }: Price,
  after: { posted: number; held: number },
) => sql`
  insert into entry (shop_id, transfer_id, account, wallet_id, amount, currency, posted_after, held_after)
  values
    (${shopId}, ${transferId}, 'wallet', ${walletId}, ${amount}, ${currency}, ${after.posted}, ${after.held}),
    (${shopId}, ${transferId}, ${other}, null, ${-amount}, ${currency}, null, null)
`;
