/** Repairs of money: a hold that outlived its order, money taken for an order that is over, and the counters of a wallet. */
import { v7 as uuidv7 } from 'uuid';
import { BALANCE_LIMIT } from '../../domain/limits.ts';
import type { Queryable } from '../postgres.ts';
import type { RepairResult } from '../findings.ts';
import { moneyHeld, sumOfEntries } from '../rules/money.ts';
import { isSold, lockStage } from './order-stage.ts';

/** Voids a hold, or marks it as captured when the order is paid. @param subject wallet/order, or wallet/order/payment. */
export async function endHold(sql: Queryable, subject: string): Promise<RepairResult> {
  const [walletId = '', orderId = '', paymentId] = subject.split('/');
  if (paymentId !== undefined) return endPaymentHold(sql, { walletId, orderId, paymentId });
  const stage = await lockStage(sql, orderId);
  const lockedWallet = await lockWallet(sql, walletId);
  const [hold] = await sql<{ amount: number }[]>`
    select amount from hold where order_id = ${orderId} and wallet_id = ${walletId} and state = 'held'
  `;
  if (stage === 'awaiting_payment' || !hold || !lockedWallet) return 'nothing wrong';
  // A hold that the counter does not include was not created by a step: then only the hold is wrong.
  const counted = lockedWallet.held >= lockedWallet.holds ? hold.amount : 0;
  const state = isSold(stage) ? 'captured' : 'voided';
  const held = lockedWallet.held - counted;
  await sql`update hold set state = ${state} where order_id = ${orderId} and state = 'held'`;
  await sql`update wallet set posted = ${lockedWallet.posted}, held = ${held} where id = ${walletId}`;
  return {
    done: `The hold of ${hold.amount} was ${state}.`,
    before: { hold: 'held', held: lockedWallet.held },
    after: { hold: state, held },
  };
}

/** Lets go of the money of a payment that is over. Whatever is under way is its workflow's. */
async function endPaymentHold(
  sql: Queryable,
  { walletId, orderId, paymentId }: { walletId: string; orderId: string; paymentId: string },
): Promise<RepairResult> {
  const stage = await lockStage(sql, orderId);
  const lockedWallet = await lockWallet(sql, walletId);
  const [hold] = await sql<{ amount: number; isOver: boolean }[]>`
    select payment_hold.amount, coalesce(payment.state in ('declined', 'voided'), true) as "isOver"
    from payment_hold left join payment on payment.id = payment_id
    where payment_id = ${paymentId} and payment_hold.state = 'held'
  `;
  if (!hold || !lockedWallet || !(hold.isOver || stage === undefined)) return 'nothing wrong';
  // As above.
  const held = lockedWallet.held - (lockedWallet.held >= lockedWallet.holds ? hold.amount : 0);
  await sql`update payment_hold set state = 'voided' where payment_id = ${paymentId} and state = 'held'`;
  await sql`update wallet set posted = ${lockedWallet.posted}, held = ${held} where id = ${walletId}`;
  return {
    done: `The hold of ${hold.amount} was voided.`,
    before: { hold: 'held', held: lockedWallet.held },
    after: { hold: 'voided', held },
  };
}

/** Gives back what was taken for an order that is over. An order that is still open may yet be paid: that is for a person. */
export async function refundPayment(sql: Queryable, orderId: string): Promise<RepairResult> {
  const stage = await lockStage(sql, orderId);
  if (isSold(stage)) return 'nothing wrong';
  if (stage === undefined || stage === 'awaiting_payment') return 'for a person';
  const [payment] = await sql<{ shopId: string; walletId: string; amount: number; currency: string }[]>`
    select transfer.shop_id as "shopId", wallet_id as "walletId", -amount as amount, currency
    from transfer join entry on entry.transfer_id = transfer.id and account = 'wallet'
    where order_id = ${orderId} and kind in ('debit', 'capture')
  `;
  const refunds = await sql`select from transfer where order_id = ${orderId} and kind = 'refund'`;
  const lockedWallet = payment && (await lockWallet(sql, payment.walletId));
  if (refunds.length > 0) return 'nothing wrong';
  if (!lockedWallet) return 'for a person';
  const { shopId, walletId, amount, currency } = payment;
  const posted = lockedWallet.posted + amount;
  // It does not fit. The finding stays open, and a later run tries again.
  if (posted > BALANCE_LIMIT) return 'for a person';
  const transferId = uuidv7();
  await sql`insert into transfer (id, shop_id, kind, order_id) values (${transferId}, ${shopId}, 'refund', ${orderId})`;
  await sql`update wallet set posted = ${posted}, held = ${lockedWallet.held} where id = ${walletId}`;
  await sql`
    insert into entry (shop_id, transfer_id, account, wallet_id, amount, currency, posted_after, held_after)
    values
      (${shopId}, ${transferId}, 'wallet', ${walletId}, ${amount}, ${currency}, ${posted}, ${lockedWallet.held}),
      (${shopId}, ${transferId}, 'sales', null, ${-amount}, ${currency}, null, null)
  `;
  return {
    done: `${amount} ${currency} were put back into the wallet.`,
    before: { posted: lockedWallet.posted },
    after: { posted, transferId },
  };
}

/** Sets a wallet's counters to what they sum, unless more would be held than is there. */
export async function setWalletCounters(sql: Queryable, walletId: string): Promise<RepairResult> {
  const lockedWallet = await lockWallet(sql, walletId);
  if (!lockedWallet) return 'nothing wrong';
  // Sums all that ever happened to the wallet, so the other repairs do without it.
  const [sums] = await sql<{ posted: number; misstated: number }[]>`
    select posted::bigint, misstated from (${sumOfEntries(sql, sql`${walletId}`)}) as entries
  `;
  const before = { posted: lockedWallet.posted, held: lockedWallet.held };
  const after = { posted: sums?.posted ?? 0, held: lockedWallet.holds };
  if (after.held > after.posted) return 'for a person';
  if (before.posted === after.posted && before.held === after.held)
    // Entries never change, so a balance that they misstate is for a person.
    return sums?.misstated === 0 ? 'nothing wrong' : 'for a person';
  await sql`update wallet set posted = ${after.posted}, held = ${after.held} where id = ${walletId}`;
  return { done: 'The counters were set to what they sum.', before, after };
}

interface LockedWallet {
  posted: number;
  held: number;
  /** The sum of its holds. */
  holds: number;
}

/** The sum is of a later snapshot than the lock, so no step comes in between: each locks the wallet first. */
async function lockWallet(sql: Queryable, walletId: string): Promise<LockedWallet | undefined> {
  await sql`select from wallet where id = ${walletId} for no key update`;
  const [locked] = await sql<LockedWallet[]>`
    select posted, held, ${moneyHeld(sql, sql`${walletId}`)}::bigint as holds from wallet where id = ${walletId}
  `;
  return locked;
}
