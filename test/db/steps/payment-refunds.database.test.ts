/** Refunds of orders that payments have paid, as the statements that workers run: to whom, how much, again, and many at once. */
import { randomInt } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { afterEach, describe, expect, test } from 'vitest';
import { tookTooLong } from '../../../db/errors.ts';
import { giveToWallet } from '../../../db/payments/give-to-wallet.ts';
import { findPayment, listRefundsOfPayments } from '../../../db/payments/payments.ts';
import { listUnsettledOfOrder, readPaymentToAdvance } from '../../../db/payments/unsettled.ts';
import { returnToWallet } from '../../../db/payments/wallet.ts';
import { markRefundSent } from '../../../db/steps/payments/mark-refund-sent.ts';
import { refund, type RefundRequest } from '../../../db/steps/refund.ts';
import type { StepResult } from '../../../db/steps/step.ts';
import { expectRulesHold, freshDatabase } from '../../support/database.ts';
import { fillWallet } from '../../support/obstacles.ts';
import { expectPaymentsAddUp, paymentSteps } from '../../support/payment-steps.ts';
import { AT } from '../../support/step-requests.ts';

const { database, sql } = await freshDatabase();
const { paidOrder } = paymentSteps({ database, sql });

afterEach(async () => {
  await expectPaymentsAddUp(sql);
  await expectRulesHold(sql);
});

const refundOf = (orderId: string, amount?: number): RefundRequest & { commandId: string } => ({
  orderId,
  reason: 'broken',
  commandId: uuidv7(),
  restock: false,
  at: AT,
  ...(amount !== undefined && { amount }),
});

/** Runs a refund as its workflow does: again, when PostgreSQL was too busy to answer in time. */
async function refundPatiently(request: RefundRequest): Promise<StepResult> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await refund(database, request);
    } catch (error) {
      if (attempt === 20 || !tookTooLong(error)) throw error;
    }
  }
}

const OWING: StepResult = { stage: 'paid', reason: null, refusal: null, wakes: true };

/** An order of 1,000: 500 by wallet, opened first, then 200 and 300 from outside. */
async function paidInParts() {
  const { payments, ...order } = await paidOrder([
    { method: 'wallet', amount: 500 },
    { method: 'provider', amount: 200 },
    { method: 'provider', amount: 300 },
  ]);
  const [wallet = '', first = '', second = ''] = payments;
  return { ...order, wallet, first, second };
}

const refundedOf = async (paymentId: string) => (await findPayment(database, paymentId))?.refunded;

async function balance(walletId: string): Promise<number | undefined> {
  const [row] = await sql<{ posted: number }[]>`select posted from wallet where id = ${walletId}`;
  return row?.posted;
}

const owedTo = async (paymentId: string) => (await readPaymentToAdvance(database, paymentId))?.owed;

describe('a refund of an order that payments have paid', () => {
  test('is owed to those from outside first, in their order, and then to the wallet’s', async () => {
    const { orderId, wallet, first, second } = await paidInParts();
    const [one, other] = [refundOf(orderId, 350), refundOf(orderId, 250)];
    expect(await refund(database, one)).toEqual(OWING);
    expect(await refund(database, other)).toEqual(OWING);
    expect(await listRefundsOfPayments(database, orderId)).toEqual(
      [
        { commandId: one.commandId, paymentId: first, amount: 200, state: 'owed' },
        { commandId: one.commandId, paymentId: second, amount: 150, state: 'owed' },
        { commandId: other.commandId, paymentId: wallet, amount: 100, state: 'owed' },
        { commandId: other.commandId, paymentId: second, amount: 150, state: 'owed' },
      ].toSorted((a, b) => `${a.commandId}${a.paymentId}`.localeCompare(`${b.commandId}${b.paymentId}`)),
    );
    expect(await Promise.all([first, second, wallet].map(refundedOf))).toEqual([200, 300, 100]);
    expect(await owedTo(second)).toEqual([
      { commandId: one.commandId, amount: 150 },
      { commandId: other.commandId, amount: 150 },
    ]);
    expect(await listUnsettledOfOrder(database, orderId)).toEqual(
      [wallet, first, second].map((paymentId) => ({ paymentId, orderId })),
    );
  });

  test('is made once, takes it from what the shop earned, and wakes its payments whenever it is asked for', async () => {
    const { orderId, walletId } = await paidInParts();
    const before = await balance(walletId);
    const request = refundOf(orderId, 400);
    for (let count = 0; count < 2; count += 1) expect(await refund(database, request)).toEqual(OWING);
    const legs = await sql`
      select account, amount from transfer join entry on transfer_id = transfer.id
      where order_id = ${orderId} and kind = 'refund' order by account
    `;
    expect([...legs]).toEqual([
      { account: 'clearing', amount: 400 },
      { account: 'sales', amount: -400 },
    ]);
    expect(await balance(walletId)).toBe(before);
  });

  test('of all that is left leads to refunded, and of more is refused', async () => {
    const { orderId } = await paidInParts();
    await refund(database, refundOf(orderId, 999));
    expect(await refund(database, refundOf(orderId, 2))).toEqual({
      stage: 'paid',
      reason: null,
      refusal: 'refund_exceeds_payment',
    });
    expect(await refund(database, refundOf(orderId))).toEqual({
      stage: 'refunded',
      reason: 'broken',
      refusal: null,
      wakes: true,
    });
    const [{ left } = { left: 1 }] = await sql<{ left: number }[]>`
      select sum(amount - refunded)::integer as left from payment where order_id = ${orderId}
    `;
    expect(left).toBe(0);
  });

  test('does not ask the wallet for room: what does not fit there is sent later', async () => {
    const { orderId, walletId } = await paidInParts();
    await fillWallet(sql, walletId);
    expect(await refund(database, refundOf(orderId))).toMatchObject({ stage: 'refunded', wakes: true });
  });

  test('of units goes to the payments as well, and puts the units on hand', async () => {
    const { orderId, sku, first } = await paidInParts();
    const units = { ...refundOf(orderId), lines: [{ sku, quantity: 1, restock: true }] };
    expect(await refund(database, units)).toMatchObject({ stage: 'refunded' });
    expect(await sql`select on_hand from sku where sku = ${sku}`).toEqual([{ on_hand: 10 }]);
    expect(await refundedOf(first)).toBe(200);
  });

  test('never exceeds it, nor any payment, when fifty callers ask at once', async () => {
    const { orderId, payments } = await paidOrder([
      { method: 'wallet', amount: 700 },
      { method: 'provider', amount: 650 },
      { method: 'provider', amount: 650 },
    ]);
    const requests = Array.from({ length: 50 }, () => refundOf(orderId, randomInt(20, 80)));
    const results = await Promise.all(requests.map(refundPatiently));
    const made = requests.filter((_, index) => results[index]?.refusal === null);
    const given = made.reduce((sum, { amount = 0 }) => sum + amount, 0);
    expect(given).toBeGreaterThan(1_900);
    expect(given).toBeLessThanOrEqual(2_000);
    const refunded = await Promise.all(payments.map(refundedOf));
    expect(refunded.reduce((sum: number, amount) => sum + (amount ?? 0), 0)).toBe(given);
    const parts = await listRefundsOfPayments(database, orderId);
    for (const { commandId, amount } of made)
      expect(
        parts.filter((part) => part.commandId === commandId).reduce((sum, part) => sum + part.amount, 0),
      ).toBe(amount);
  });

  test('is made once when fifty callers bring the same', async () => {
    const { orderId } = await paidInParts();
    const request = refundOf(orderId, 300);
    const results = await Promise.all(Array.from({ length: 50 }, () => refundPatiently(request)));
    expect(new Set(results.map((result) => JSON.stringify(result)))).toEqual(
      new Set([JSON.stringify(OWING)]),
    );
    expect(
      (await listRefundsOfPayments(database, orderId)).reduce((sum, { amount }) => sum + amount, 0),
    ).toBe(300);
  });
});

describe('what a refund owes to a payment', () => {
  test('is booked as given back by its provider once it is sent, once however many say so at once', async () => {
    const { orderId, first } = await paidInParts();
    const { commandId, ...request } = refundOf(orderId, 150);
    await refund(database, { commandId, ...request });
    const sent = await Promise.all(
      Array.from({ length: 50 }, () => markRefundSent(database, { paymentId: first, commandId })),
    );
    expect(new Set(sent)).toEqual(new Set(['sent']));
    const legs = await sql`
      select account, amount from transfer join entry on transfer_id = transfer.id
      where payment_id = ${first} and kind = 'return' order by account
    `;
    expect([...legs]).toEqual([
      { account: 'clearing', amount: -150 },
      { account: 'provider', amount: 150 },
    ]);
    expect(await owedTo(first)).toEqual([]);
    expect(await refund(database, { commandId, ...request })).toEqual({
      stage: 'paid',
      reason: null,
      refusal: null,
    });
    expect(await listUnsettledOfOrder(database, orderId)).toEqual([]);
  });

  test('goes to the order’s wallet when its provider does not take it, and is not booked as the provider’s', async () => {
    const { orderId, walletId, first } = await paidInParts();
    const before = (await balance(walletId)) ?? 0;
    const { commandId, ...request } = refundOf(orderId, 150);
    await refund(database, { commandId, ...request });
    await giveToWallet(database, { paymentId: first, commandId });
    expect(await markRefundSent(database, { paymentId: first, commandId })).toBe('to_wallet');
    expect(await markRefundSent(database, { paymentId: first, commandId })).toBe('to_wallet');
    expect(await balance(walletId)).toBe(before + 150);
  });

  test('of a payment by wallet is sent once the wallet booked it, and not before', async () => {
    const { orderId, walletId, wallet } = await paidInParts();
    const before = (await balance(walletId)) ?? 0;
    const { commandId, ...request } = refundOf(orderId);
    await refund(database, { commandId, ...request });
    const part = { paymentId: wallet, commandId };
    expect(await markRefundSent(database, part)).toBe('owed');
    await returnToWallet(database, { ...part, amount: 500 });
    expect(await markRefundSent(database, part)).toBe('sent');
    expect(await balance(walletId)).toBe(before + 500);
  });

  test('is nothing when the refund is unknown', async () => {
    const { first } = await paidInParts();
    expect(await markRefundSent(database, { paymentId: first, commandId: uuidv7() })).toBeUndefined();
  });
});
