/** Payments in parts, as the statements that workers run, on real PostgreSQL: again, late and in any order. */
import { afterEach, describe, expect, test } from 'vitest';
import { compareSources } from '../../../db/audit/sources.ts';
import { readPaymentToAdvance } from '../../../db/payments/unsettled.ts';
import { findPayment, listPayments } from '../../../db/payments/payments.ts';
import { keepPaymentSource, removeOldSources } from '../../../db/payments/sources.ts';
import { returnToWallet } from '../../../db/payments/wallet.ts';
import { giveToWallet } from '../../../db/payments/give-to-wallet.ts';
import { NIL_UUID } from '../../../db/schema/columns.ts';
import { extendDeadline } from '../../../db/steps/payments/extend-deadline.ts';
import { recordPayment } from '../../../db/steps/payments/record-payment.ts';
import { requestVoid } from '../../../db/steps/payments/request-void.ts';
import { returnPayment } from '../../../db/steps/payments/return-payment.ts';
import { markRefundSent } from '../../../db/steps/payments/mark-refund-sent.ts';
import { pay } from '../../../db/steps/pay.ts';
import { refund } from '../../../db/steps/refund.ts';
import { release } from '../../../db/steps/release.ts';
import type { StepResult } from '../../../db/steps/step.ts';
import {
  PAYMENT_MOVES,
  PAYMENT_STATES,
  PAYMENTS_LIMIT,
  type PaymentState,
} from '../../../domain/payments.ts';
import { MAIN_SHOP } from '../../../domain/shops.ts';
import { expectRulesHold, freshDatabase } from '../../support/database.ts';
import { expectPaymentsAddUp, paymentSteps } from '../../support/payment-steps.ts';
import { AT, payment, releaseTo } from '../../support/step-requests.ts';

const { database, sql } = await freshDatabase();
const { openOrder, ask, open, hear, authorise, capture, settleOrder, paidOrder } = paymentSteps({
  database,
  sql,
});

afterEach(async () => {
  await expectPaymentsAddUp(sql);
  await expectRulesHold(sql);
});

const OPEN: StepResult = { stage: 'awaiting_payment', reason: null, refusal: null };
const PAID: StepResult = { stage: 'paid', reason: null, refusal: null };

async function readOrder(orderId: string) {
  const [row] = await sql<
    { stage: string; secured: number; refunded: number; deadline: Date; extended: boolean }[]
  >`
    select stage, secured, refunded, payment_deadline as deadline, deadline_extended as extended from orders where id = ${orderId}
  `;
  if (!row) throw new Error(`There is no order ${orderId}.`);
  return row;
}

async function stateOf(paymentId: string) {
  const { state, secures } = (await findPayment(database, paymentId)) ?? {};
  return { state, secures };
}

/** What the ledger has of a payment, transfer by transfer. */
async function bookedFor(paymentId: string) {
  const rows = await sql<{ leg: string }[]>`
    select format('%s %s %s', kind, account, amount) as leg
    from transfer join entry on transfer_id = transfer.id
    where payment_id = ${paymentId}
    order by transfer.id, account
  `;
  return rows.map(({ leg }) => leg);
}

describe('opening a payment', () => {
  test('secures its part of the order, once, and leaves the rest to the next', async () => {
    const { orderId } = await openOrder();
    const { commandId } = payment(orderId);
    const first = { method: 'provider', amount: 400 } as const;
    expect(await ask(orderId, first, commandId)).toEqual({ ...OPEN, wakes: true });
    expect(await ask(orderId, first, commandId)).toEqual({ ...OPEN, wakes: true });
    expect(await readOrder(orderId)).toMatchObject({ secured: 400 });
    await open(orderId, { method: 'wallet' });
    expect(await listPayments(database, orderId)).toMatchObject([
      { id: commandId, method: 'provider', amount: 400, state: 'pending', secures: true },
      { method: 'wallet', amount: 600, currency: 'EUR', state: 'pending', secures: true },
    ]);
    expect(await readOrder(orderId)).toMatchObject({ secured: 1_000 });
  });

  test('of more than is left is refused, and stays refused when there is room again', async () => {
    const { orderId } = await openOrder();
    const first = await open(orderId, { method: 'provider', amount: 600 });
    const { commandId } = payment(orderId);
    const tooMuch = { method: 'wallet', amount: 401 } as const;
    const refused = { ...OPEN, refusal: 'payment_exceeds_total' };
    expect(await ask(orderId, tooMuch, commandId)).toEqual(refused);
    await hear(first, { state: 'declined', reason: 'stolen card' });
    expect(await ask(orderId, tooMuch, commandId)).toEqual(refused);
    expect(await ask(orderId, { method: 'wallet', amount: 1_000 })).toMatchObject({ refusal: null });
    expect(await ask(orderId, { method: 'wallet' })).toEqual(refused);
    expect(await ask(orderId, { method: 'wallet', amount: 0 })).toEqual(refused);
  });

  test('is refused when the wallet holds the whole total already, and when the order is over', async () => {
    const { orderId: inHoldMode } = await openOrder(1_000, { paymentMode: 'hold' });
    expect(await ask(inHoldMode, { method: 'provider', amount: 1 })).toMatchObject({
      refusal: 'payment_exceeds_total',
    });
    const { orderId } = await openOrder();
    await release(database, releaseTo(orderId, 'expired'));
    expect(await ask(orderId, { method: 'provider' })).toEqual({
      stage: 'expired',
      reason: null,
      refusal: 'order_not_payable',
    });
  });

  test(`is refused after ${PAYMENTS_LIMIT} payments, however they ended`, async () => {
    const { orderId } = await openOrder();
    for (let count = 0; count < PAYMENTS_LIMIT; count += 1)
      await hear(await open(orderId, { method: 'provider' }), { state: 'declined' });
    expect(await ask(orderId, { method: 'provider' })).toMatchObject({ refusal: 'too_many_payments' });
  });

  test('leaves no place for a payment of all by the wallet, until nothing of it secures the order', async () => {
    const { orderId } = await openOrder();
    const part = await open(orderId, { method: 'provider', amount: 1 });
    const whole = payment(orderId);
    expect(await pay(database, whole)).toEqual({ ...OPEN, refusal: 'order_has_payments' });
    await hear(part, { state: 'voided' });
    expect(await pay(database, whole)).toEqual({ ...OPEN, refusal: 'order_has_payments' });
    expect(await pay(database, payment(orderId))).toEqual(PAID);
  });
});

describe('what is heard of a payment', () => {
  const isHeard = (state: PaymentState) => state !== 'capturing' && state !== 'returned';

  /** A payment that came to this state, and its order. */
  async function paymentThatIs(state: PaymentState): Promise<string> {
    const { orderId } = await openOrder();
    if (state === 'pending') return open(orderId, { method: 'provider' });
    const paymentId = await authorise(orderId, { method: 'provider' });
    if (state === 'declined' || state === 'voided') await hear(paymentId, { state });
    if (state === 'capturing') await settleOrder(orderId);
    if (state === 'captured') await capture(paymentId);
    if (state === 'returned') {
      await release(database, releaseTo(orderId, 'cancelled'));
      await capture(paymentId);
      await returnPayment(database, { paymentId, reason: 'order_over', at: AT });
    }
    expect(await stateOf(paymentId)).toMatchObject({ state });
    return paymentId;
  }

  const everyNews = PAYMENT_STATES.flatMap((from) =>
    PAYMENT_STATES.filter(isHeard).map((to) => ({ from, to })),
  );

  test.each(everyNews)(
    'takes one that is $from to $to when that is a move, and else nowhere',
    async ({ from, to }) => {
      const paymentId = await paymentThatIs(from);
      const isMove = PAYMENT_MOVES.some((move) => move.from === from && move.to === to);
      const before = await stateOf(paymentId);
      const news = { paymentId, state: to, at: AT } as const;
      expect(await recordPayment(database, news)).toMatchObject({
        state: isMove ? to : from,
        changed: isMove,
      });
      expect(await recordPayment(database, news)).toMatchObject({
        state: isMove ? to : from,
        changed: false,
      });
      expect(await stateOf(paymentId)).toEqual({
        state: isMove ? to : from,
        secures: before.secures === true && !(isMove && (to === 'declined' || to === 'voided')),
      });
      const events =
        await sql`select state from payment_event where payment_id = ${paymentId} order by version`;
      expect(events.at(-1)).toEqual({ state: isMove ? to : from });
      const receipts = await sql`select from transfer where payment_id = ${paymentId} and kind = 'receipt'`;
      const wasCaptured = [from, to].some((state) => state === 'captured' && (state === from || isMove));
      expect(receipts).toHaveLength(wasCaptured || from === 'returned' ? 1 : 0);
    },
  );

  test('gives the part of a declined or voided payment free, for another', async () => {
    const { orderId } = await openOrder();
    const first = await authorise(orderId, { method: 'provider', amount: 700 });
    await authorise(orderId, { method: 'provider', amount: 300 });
    await hear(first, { state: 'declined', reason: 'insufficient_funds' });
    expect(await readOrder(orderId)).toMatchObject({ secured: 300 });
    await authorise(orderId, { method: 'wallet', amount: 700 });
    expect(await settleOrder(orderId)).toMatchObject({ refusal: 'capturing' });
  });

  test('books the money of one that was declined as received when it came all the same, and it secures nothing', async () => {
    const { orderId } = await openOrder();
    const paymentId = await open(orderId, { method: 'provider' });
    await hear(paymentId, { state: 'declined', reason: 'stolen card' });
    await hear(paymentId, { state: 'captured' });
    expect(await stateOf(paymentId)).toEqual({ state: 'captured', secures: false });
    expect(await readOrder(orderId)).toMatchObject({ secured: 0 });
    expect(await bookedFor(paymentId)).toEqual(['receipt clearing 1000', 'receipt provider -1000']);
    expect(await settleOrder(orderId)).toEqual({ ...OPEN, refusal: 'not_covered' });
  });

  test('is recorded with the id at its provider, also when nothing else is news, and never with another payment’s', async () => {
    const { orderId } = await openOrder();
    const [one, other] = [
      await open(orderId, { method: 'provider', amount: 400 }),
      await open(orderId, { method: 'provider', amount: 600 }),
    ];
    expect(await hear(one, { state: 'pending', providerId: 'tx-1' })).toMatchObject({ changed: false });
    expect(await findPayment(database, one)).toMatchObject({ providerId: 'tx-1', state: 'pending' });
    await hear(one, { state: 'authorised', providerId: 'tx-2' });
    expect(await findPayment(database, one)).toMatchObject({ providerId: 'tx-1', state: 'authorised' });
    await hear(other, { state: 'declined', providerId: 'tx-1', reason: 'wrong_order' });
    expect(await findPayment(database, other)).toMatchObject({
      providerId: null,
      state: 'declined',
      reason: 'wrong_order',
    });
  });

  test('of a payment that does not exist is an error', async () => {
    await expect(hear(NIL_UUID, { state: 'captured' })).rejects.toThrow('There is no payment');
  });
});

describe('settling an order', () => {
  test('takes what is authorised once that covers the total, and pays the order once all of it is captured', async () => {
    const { orderId, sku, walletId } = await openOrder();
    const outside = await open(orderId, { method: 'provider', amount: 400 });
    const byWallet = await authorise(orderId, { method: 'wallet' });
    expect(await settleOrder(orderId)).toEqual({ ...OPEN, refusal: 'not_covered' });
    await hear(outside, { state: 'authorised' });
    expect(await settleOrder(orderId)).toEqual({ ...OPEN, refusal: 'capturing', wakes: true });
    await capture(outside);
    expect(await settleOrder(orderId)).toEqual({ ...OPEN, refusal: 'capturing', wakes: true });
    await capture(byWallet);
    expect(await settleOrder(orderId)).toEqual(PAID);
    expect(await settleOrder(orderId)).toEqual(PAID);
    expect(await sql`select on_hand, reserved from sku where sku = ${sku}`).toEqual([
      { on_hand: 9, reserved: 0 },
    ]);
    expect(await sql`select posted, held from wallet where id = ${walletId}`).toEqual([
      { posted: 999_400, held: 0 },
    ]);
    expect(await bookedFor(byWallet)).toEqual(['receipt clearing 600', 'receipt wallet -600']);
    const [sales] = await sql`
      select kind, amount from transfer join entry on transfer_id = transfer.id
      where order_id = ${orderId} and account = 'sales'
    `;
    expect(sales).toEqual({ kind: 'capture', amount: 1_000 });
  });

  test('goes back to waiting when a capture is refused: what is captured still secures, and another payment completes it', async () => {
    const { orderId } = await openOrder();
    const [taken, refused] = [
      await authorise(orderId, { method: 'provider', amount: 400 }),
      await authorise(orderId, { method: 'provider', amount: 600 }),
    ];
    await settleOrder(orderId);
    await capture(taken);
    await hear(refused, { state: 'declined', reason: 'insufficient_funds' });
    expect(await settleOrder(orderId)).toEqual({ ...OPEN, refusal: 'not_covered' });
    expect(await readOrder(orderId)).toMatchObject({ secured: 400 });
    const instead = await authorise(orderId, { method: 'wallet' });
    await settleOrder(orderId);
    await capture(instead);
    expect(await settleOrder(orderId)).toEqual(PAID);
  });

  test('is left to a workflow that does not know of it: the end of its window does not release an order whose money is being taken', async () => {
    const { orderId } = await openOrder();
    const first = await authorise(orderId, { method: 'wallet', amount: 400 });
    const last = await authorise(orderId, { method: 'provider', amount: 600 });
    await settleOrder(orderId);
    const kept = { ...OPEN, refusal: 'capturing' };
    expect(await release(database, releaseTo(orderId, 'expired'))).toEqual(kept);
    await capture(first);
    expect(await release(database, releaseTo(orderId, 'expired'))).toEqual(kept);
    await capture(last);
    expect(await release(database, releaseTo(orderId, 'expired'))).toEqual(kept);
    expect(await settleOrder(orderId)).toEqual(PAID);
    // One of which a part was refused ends.
    const { orderId: refused } = await openOrder();
    await authorise(refused, { method: 'wallet', amount: 400 });
    const part = await authorise(refused, { method: 'provider', amount: 600 });
    await settleOrder(refused);
    await hear(part, { state: 'declined', reason: 'expired' });
    expect(await release(database, releaseTo(refused, 'expired'))).toMatchObject({ stage: 'expired' });
  });

  test('does nothing to an order that is over, and does not make it paid', async () => {
    const { orderId } = await openOrder();
    const paymentId = await authorise(orderId, { method: 'provider' });
    await release(database, releaseTo(orderId, 'expired'));
    await capture(paymentId);
    expect(await settleOrder(orderId)).toEqual({
      stage: 'expired',
      reason: null,
      refusal: 'order_not_payable',
    });
    const { orderId: paid } = await openOrder();
    await pay(database, payment(paid));
    expect(await settleOrder(paid)).toEqual({ ...PAID, refusal: 'order_not_payable' });
  });
});

describe('an order that is over', () => {
  test('counts on no payment, lets go of what its wallet holds, and leaves the rest to their workflows', async () => {
    const { orderId, walletId } = await openOrder();
    const payments = [
      await authorise(orderId, { method: 'wallet', amount: 300 }),
      await authorise(orderId, { method: 'provider', amount: 300 }),
      await open(orderId, { method: 'provider' }),
    ];
    const ended = { stage: 'cancelled', reason: 'test', refusal: null, wakes: true };
    expect(await release(database, releaseTo(orderId, 'cancelled'))).toEqual(ended);
    expect(await release(database, releaseTo(orderId, 'cancelled'))).toEqual(ended);
    expect(await readOrder(orderId)).toMatchObject({ stage: 'cancelled', secured: 0 });
    for (const paymentId of payments) expect(await stateOf(paymentId)).toMatchObject({ secures: false });
    expect(await sql`select held from wallet where id = ${walletId}`).toEqual([{ held: 0 }]);
    // An answer that comes late.
    expect(await hear(payments[2] ?? '', { state: 'authorised' })).toMatchObject({ state: 'authorised' });
    expect(await stateOf(payments[2] ?? '')).toEqual({ state: 'authorised', secures: false });
    for (const paymentId of payments) await hear(paymentId, { state: 'voided', reason: 'order_over' });
    expect(await release(database, releaseTo(orderId, 'cancelled'))).toEqual({
      stage: 'cancelled',
      reason: 'test',
      refusal: null,
    });
  });

  test('gives what was captured back as a whole, once, to its provider', async () => {
    const { orderId } = await openOrder();
    const paymentId = await authorise(orderId, { method: 'provider' });
    await capture(paymentId);
    const back = { paymentId, reason: 'order_over', at: AT };
    // As long as it secures the order, nothing goes back.
    expect(await returnPayment(database, back)).toEqual({
      orderId,
      method: 'provider',
      state: 'captured',
      changed: false,
    });
    await release(database, releaseTo(orderId, 'cancelled'));
    expect(await returnPayment(database, back)).toEqual({
      orderId,
      method: 'provider',
      state: 'returned',
      changed: true,
    });
    expect(await returnPayment(database, back)).toEqual({
      orderId,
      method: 'provider',
      state: 'returned',
      changed: false,
    });
    expect(await findPayment(database, paymentId)).toMatchObject({ reason: 'order_over' });
    expect(await bookedFor(paymentId)).toEqual([
      'receipt clearing 1000',
      'receipt provider -1000',
      'return clearing -1000',
      'return provider 1000',
    ]);
  });

  test('gives what its provider does not take back to the order’s wallet, once, in whichever order that is recorded', async () => {
    const { orderId, walletId } = await openOrder();
    const paymentId = await authorise(orderId, { method: 'provider' });
    await capture(paymentId);
    await release(database, releaseTo(orderId, 'cancelled'));
    await giveToWallet(database, { paymentId, commandId: NIL_UUID });
    for (const changed of [true, false])
      expect(await returnPayment(database, { paymentId, reason: 'card is closed', at: AT })).toEqual({
        orderId,
        method: 'provider',
        state: 'returned',
        changed,
      });
    expect(await sql`select posted from wallet where id = ${walletId}`).toEqual([{ posted: 1_001_000 }]);
    expect(await bookedFor(paymentId)).toEqual([
      'receipt clearing 1000',
      'receipt provider -1000',
      'return clearing -1000',
      'return wallet 1000',
    ]);
  });

  test('gives a wallet’s payment back only by what the wallet booked', async () => {
    const { orderId, walletId } = await openOrder();
    const paymentId = await authorise(orderId, { method: 'wallet' });
    await capture(paymentId);
    await release(database, releaseTo(orderId, 'cancelled'));
    const back = { paymentId, reason: 'order_over', at: AT };
    expect(await returnPayment(database, back)).toEqual({
      orderId,
      method: 'wallet',
      state: 'captured',
      changed: false,
    });
    await returnToWallet(database, { paymentId, commandId: NIL_UUID, amount: 1_000 });
    expect(await returnPayment(database, back)).toEqual({
      orderId,
      method: 'wallet',
      state: 'returned',
      changed: true,
    });
    expect(await sql`select posted, held from wallet where id = ${walletId}`).toEqual([
      { posted: 1_000_000, held: 0 },
    ]);
  });
});

describe('a void that somebody asks for', () => {
  test('takes a payment out of what secures its order, however often it is asked for', async () => {
    const { orderId } = await openOrder();
    const paymentId = await authorise(orderId, { method: 'provider' });
    for (let count = 0; count < 2; count += 1)
      expect(await requestVoid(database, { paymentId, at: AT })).toEqual({ orderId, state: 'authorised' });
    expect(await stateOf(paymentId)).toEqual({ state: 'authorised', secures: false });
    expect(await readOrder(orderId)).toMatchObject({ secured: 0 });
    expect(await settleOrder(orderId)).toEqual({ ...OPEN, refusal: 'not_covered' });
    await hear(paymentId, { state: 'voided' });
    expect(await requestVoid(database, { paymentId, at: AT })).toEqual({ orderId, state: 'voided' });
  });

  test('is too late once the order takes its payments', async () => {
    const { orderId } = await openOrder();
    const paymentId = await authorise(orderId, { method: 'provider' });
    await settleOrder(orderId);
    expect(await requestVoid(database, { paymentId, at: AT })).toEqual({ orderId, state: 'capturing' });
    expect(await stateOf(paymentId)).toEqual({ state: 'capturing', secures: true });
    expect(await requestVoid(database, { paymentId: NIL_UUID, at: AT })).toBeUndefined();
  });

  test('is a buyer’s for their own orders, and a shop’s for its own', async () => {
    const { orderId } = await openOrder(1_000, { buyerId: 'ada' });
    const paymentId = await authorise(orderId, { method: 'provider' });
    const asked = (reach: { shop: string; buyer?: string }) =>
      requestVoid(database.reaching(reach), { paymentId, at: AT });
    expect(await asked({ shop: MAIN_SHOP, buyer: 'bob' })).toBeUndefined();
    expect(await asked({ shop: 'another' })).toBeUndefined();
    expect(await stateOf(paymentId)).toMatchObject({ secures: true });
    expect(await asked({ shop: MAIN_SHOP, buyer: 'ada' })).toMatchObject({ state: 'authorised' });
    expect(await stateOf(paymentId)).toMatchObject({ secures: false });
  });
});

describe('putting the deadline off', () => {
  const LATER = '2026-01-01T10:20:00.000Z';
  const EVEN_LATER = '2026-01-01T10:25:00.000Z';
  const extend = (orderId: string, paymentDeadline = LATER) =>
    extendDeadline(database, { orderId, paymentDeadline, at: AT });

  test('happens once, while a payment from outside is pending, and is an event of the order', async () => {
    const { orderId } = await openOrder();
    await open(orderId, { method: 'provider' });
    expect(await extend(orderId)).toEqual({ ...OPEN, paymentDeadline: LATER });
    expect(await extend(orderId, EVEN_LATER)).toEqual({ ...OPEN, paymentDeadline: LATER });
    expect(await readOrder(orderId)).toMatchObject({
      deadline: new Date(LATER),
      extended: true,
      secured: 1_000,
    });
    const events = await sql`
      select from_stage, stage, reason from order_event where order_id = ${orderId} and version > 1
    `;
    expect([...events]).toEqual([
      { from_stage: 'awaiting_payment', stage: 'awaiting_payment', reason: 'payment_under_way' },
    ]);
  });

  test('happens for nothing else: no payment, one by wallet, one that is known, and none to an earlier time', async () => {
    const { orderId } = await openOrder();
    const before = { ...OPEN, paymentDeadline: (await readOrder(orderId)).deadline.toISOString() };
    expect(await extend(orderId)).toEqual(before);
    await open(orderId, { method: 'wallet', amount: 100 });
    expect(await extend(orderId)).toEqual(before);
    const paymentId = await authorise(orderId, { method: 'provider', amount: 100 });
    expect(await extend(orderId)).toEqual(before);
    await open(orderId, { method: 'provider', amount: 100 });
    expect(await extend(orderId, AT)).toEqual(before);
    await hear(paymentId, { state: 'declined' });
    expect(await extend(orderId)).toEqual({ ...OPEN, paymentDeadline: LATER });
    await release(database, releaseTo(orderId, 'expired'));
    expect(await extend(orderId, EVEN_LATER)).toMatchObject({ stage: 'expired', paymentDeadline: LATER });
  });
});

describe('what a buyer pays with', () => {
  test('is there for the provider until the payment is known, and never again', async () => {
    const { orderId } = await openOrder();
    const { commandId: paymentId } = payment(orderId);
    const source = { paymentId, shopId: MAIN_SHOP, source: 'tok_1' };
    const shop = database.reaching({ shop: MAIN_SHOP });
    await keepPaymentSource(shop, source);
    await keepPaymentSource(shop, { ...source, source: 'tok_2' });
    await ask(orderId, { method: 'provider' }, paymentId);
    expect(await readPaymentToAdvance(database, paymentId)).toMatchObject({
      source: 'tok_1',
      stage: 'awaiting_payment',
    });
    await expect(shop.run((to) => to.sql`select source from payment_source`)).rejects.toThrow(
      'permission denied',
    );
    await hear(paymentId, { state: 'authorised' });
    await keepPaymentSource(shop, source);
    expect(await readPaymentToAdvance(database, paymentId)).toMatchObject({ source: null });
  });

  test('is removed once it is old, and is in no audit', async () => {
    const { orderId } = await openOrder();
    const { commandId: paymentId } = payment(orderId);
    await keepPaymentSource(database, { paymentId, shopId: MAIN_SHOP, source: 'tok_secret' });
    await ask(orderId, { method: 'provider' }, paymentId);
    await removeOldSources(database, new Date(Date.now() - 60_000));
    expect(await readPaymentToAdvance(database, paymentId)).toMatchObject({ source: 'tok_secret' });
    expect(await removeOldSources(database, new Date(Date.now() + 60_000))).toBeGreaterThan(0);
    expect(await readPaymentToAdvance(database, paymentId)).toMatchObject({ source: null });
    await sql`select from seal_audit(100000)`;
    expect(await sql`select from audit where audit::text like '%tok_secret%'`).toHaveLength(0);
  });
});

describe('whatever a statement asks for', () => {
  test.each([
    ['secures its order again', `update payment set secures = true where id = $1`],
    [
      'is in a state that no event recorded',
      `update payment set state = 'captured', secures = false where id = $1`,
    ],
    ['forgets how it came there', `delete from payment_event where payment_id = $1`],
    ['gives more back than it took', `update payment set refunded = amount + 1 where id = $1`],
  ])('no payment %s', async (_, statement) => {
    const { orderId } = await openOrder();
    const paymentId = await open(orderId, { method: 'provider' });
    await hear(paymentId, { state: 'voided' });
    await expect(sql.unsafe(statement, [paymentId])).rejects.toThrow(/payment/);
  });

  test('no order is paid while only a part of it is secured, nor over while any is', async () => {
    const { orderId } = await openOrder();
    await open(orderId, { method: 'provider', amount: 400 });
    for (const stage of ['paid', 'expired'])
      await expect(sql`update orders set stage = ${stage} where id = ${orderId}`).rejects.toThrow(
        'orders_secured_at_most_total',
      );
  });

  test('no refund that was sent is owed again', async () => {
    const { orderId, payments } = await paidOrder([{ method: 'provider', amount: 1_000 }]);
    const { commandId } = payment(orderId);
    await refund(database, { orderId, commandId, reason: 'broken', restock: false, at: AT });
    await markRefundSent(database, { paymentId: payments[0] ?? '', commandId });
    await expect(
      sql`update refund_payment set state = 'owed', transfer_id = null where order_id = ${orderId}`,
    ).rejects.toThrow('does not become what it was');
  });
});

test('a void is recorded as the deed of the caller who asked for it', async () => {
  const { orderId } = await openOrder();
  const paymentId = await authorise(orderId, { method: 'provider' });
  const deed = { actor: 'key:dana', requestId: 'r-1' };
  await requestVoid(database.reaching({ shop: MAIN_SHOP }, deed), { paymentId, at: AT });
  await sql`select from seal_audit(100000)`;
  const rows = await sql`
    select actor, request_id as "requestId", why, before ->> 'secures' as before, after ->> 'secures' as after from audit
    where subject = ${paymentId} order by seq desc limit 1
  `;
  expect([...rows]).toEqual([{ ...deed, why: 'void_requested', before: 'true', after: 'false' }]);
});

test('the audit is compared with the payments: a change that it lacks is found', async () => {
  const { orderId } = await openOrder();
  const paymentId = await open(orderId, { method: 'provider' });
  const inAnHour = new Date(Date.now() + 3_600_000).toISOString();
  const flaws = async () => {
    await sql`select from seal_audit(100000)`;
    const found: string[] = [];
    for await (const some of compareSources(database)) found.push(...some.flaws);
    return found;
  };
  await recordPayment(database, { paymentId, state: 'authorised', at: inAnHour });
  expect(await flaws()).toEqual([]);
  await sql`alter table payment disable trigger payment_is_audited_when_changed`;
  await recordPayment(database, { paymentId, state: 'voided', at: inAnHour });
  await sql`alter table payment enable always trigger payment_is_audited_when_changed`;
  expect(await flaws()).toEqual([`The payment event ${paymentId}/3 has no row in the audit.`]);
});

test('every change of a payment is in the audit, with its order and who asked for it', async () => {
  const { orderId, payments } = await paidOrder([{ method: 'provider', amount: 1_000 }]);
  const [paymentId = ''] = payments;
  await sql`
    insert into idempotency_key (caller, operation, key, fingerprint, shop_id, command_id, claimed_until)
    values ('key:ada', 'createPayment', 'k', 'f', ${MAIN_SHOP}, ${paymentId}, now())
  `;
  await sql`select from seal_audit(100000)`;
  const rows = await sql`
    select order_id as "orderId", actor, command_id as command, after ->> 'state' as state from audit
    where kind = 'payment' and subject = ${paymentId}
    order by seq
  `;
  expect([...rows]).toEqual([
    { orderId, actor: 'key:ada', command: paymentId, state: 'pending' },
    ...['authorised', 'capturing', 'captured'].map((state) => ({
      orderId,
      actor: 'holdfast',
      command: null,
      state,
    })),
  ]);
});
