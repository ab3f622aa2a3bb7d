/** Statements about the payments of one order that run at the same time: whatever comes first, each decides on what is so when it acts. */
import { randomInt } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { tookTooLong } from '../../../db/errors.ts';
import { findPayment, listPayments } from '../../../db/payments/payments.ts';
import { extendDeadline } from '../../../db/steps/payments/extend-deadline.ts';
import { requestVoid } from '../../../db/steps/payments/request-void.ts';
import { returnPayment } from '../../../db/steps/payments/return-payment.ts';
import { pay } from '../../../db/steps/pay.ts';
import { refund } from '../../../db/steps/refund.ts';
import { release } from '../../../db/steps/release.ts';
import { expectRulesHold, freshDatabase } from '../../support/database.ts';
import { lockOrders } from '../../support/obstacles.ts';
import { expectPaymentsAddUp, paymentSteps } from '../../support/payment-steps.ts';
import { AT, payment, refundOf, releaseTo } from '../../support/step-requests.ts';
import { until } from '../../support/until.ts';

const { database, sql } = await freshDatabase();
const { openOrder, ask, open, hear, authorise, capture, settleOrder } = paymentSteps({ database, sql });

afterEach(async () => {
  await expectPaymentsAddUp(sql);
  await expectRulesHold(sql);
});

/** Runs a statement as its activity does: again, when PostgreSQL was too busy to answer in time. */
async function patiently<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (attempt === 20 || !tookTooLong(error)) throw error;
    }
  }
}

const CALLERS = 50;
const atOnce = <T>(work: (index: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: CALLERS }, (_, index) => patiently(() => work(index))));

const secured = async (orderId: string) => {
  const [row] = await sql<{ secured: number; stage: string }[]>`
    select secured, stage from orders where id = ${orderId}
  `;
  return row;
};

describe('fifty callers at once', () => {
  test('secure no more than the order’s total', async () => {
    const { orderId } = await openOrder(1_000);
    const answers = await atOnce(() => ask(orderId, { method: 'provider', amount: 150 }));
    expect(answers.filter(({ refusal }) => refusal === null)).toHaveLength(6);
    expect(new Set(answers.map(({ refusal }) => refusal))).toEqual(new Set([null, 'payment_exceeds_total']));
    expect(await secured(orderId)).toMatchObject({ secured: 900 });
  });

  test('open one payment when they bring the same command', async () => {
    const { orderId } = await openOrder();
    const { commandId } = payment(orderId);
    const answers = await atOnce(() => ask(orderId, { method: 'wallet', amount: 100 }, commandId));
    expect(answers.filter(({ refusal }) => refusal !== null)).toEqual([]);
    expect(await listPayments(database, orderId)).toHaveLength(1);
    expect(await secured(orderId)).toMatchObject({ secured: 100 });
  });

  test('record a capture once, and book its money once', async () => {
    const { orderId } = await openOrder();
    const paymentId = await authorise(orderId, { method: 'provider' });
    await settleOrder(orderId);
    const answers = await atOnce(() => hear(paymentId, { state: 'captured' }));
    expect(answers.filter(({ changed }) => changed)).toHaveLength(1);
    expect(new Set(answers.map(({ state }) => state))).toEqual(new Set(['captured']));
    expect(await sql`select from transfer where payment_id = ${paymentId}`).toHaveLength(1);
  });

  test('give one payment up once: it is counted out of its order once', async () => {
    const { orderId } = await openOrder();
    await authorise(orderId, { method: 'provider', amount: 400 });
    const paymentId = await authorise(orderId, { method: 'provider', amount: 600 });
    await atOnce((index) =>
      index % 2 === 0
        ? requestVoid(database, { paymentId, at: AT })
        : hear(paymentId, { state: index % 3 === 0 ? 'declined' : 'voided' }),
    );
    expect(await secured(orderId)).toMatchObject({ secured: 400 });
  });

  test('pay an order once by its payments, and all get that answer', async () => {
    const { orderId, sku } = await openOrder();
    const paymentId = await authorise(orderId, { method: 'provider' });
    await settleOrder(orderId);
    await capture(paymentId);
    const answers = await atOnce(() => settleOrder(orderId));
    expect(new Set(answers.map((answer) => JSON.stringify(answer)))).toEqual(
      new Set([JSON.stringify({ stage: 'paid', reason: null, refusal: null })]),
    );
    expect(await sql`select on_hand, reserved from sku where sku = ${sku}`).toEqual([
      { on_hand: 9, reserved: 0 },
    ]);
    expect(await sql`select from transfer where order_id = ${orderId} and kind = 'capture'`).toHaveLength(1);
  });

  test('return a payment once', async () => {
    const { orderId } = await openOrder();
    const paymentId = await authorise(orderId, { method: 'provider' });
    await capture(paymentId);
    await release(database, releaseTo(orderId, 'cancelled'));
    const answers = await atOnce(() => returnPayment(database, { paymentId, reason: 'order_over', at: AT }));
    expect(answers.filter(({ changed }) => changed)).toHaveLength(1);
    expect(await sql`select from transfer where payment_id = ${paymentId} and kind = 'return'`).toHaveLength(
      1,
    );
  });

  test('do everything there is to one order, and every unit of money is where it belongs', async () => {
    for (let round = 0; round < 4; round += 1) {
      const { orderId, walletId } = await openOrder(1_000);
      const payments = [
        await authorise(orderId, { method: 'provider', amount: 300 }),
        await authorise(orderId, { method: 'provider', amount: 300 }),
        await open(orderId, { method: 'provider', amount: 200 }),
      ];
      await atOnce(async (index) => {
        const paymentId = payments[randomInt(payments.length)] ?? '';
        const work: readonly (() => Promise<unknown>)[] = [
          () => ask(orderId, { method: 'provider', amount: randomInt(50, 300) }),
          () => hear(paymentId, { state: 'authorised' }),
          () => hear(paymentId, { state: 'captured' }),
          () => hear(paymentId, { state: 'declined' }),
          () => requestVoid(database, { paymentId, at: AT }),
          () => settleOrder(orderId),
          () => pay(database, payment(orderId)),
          () => refund(database, refundOf(orderId, false)),
          ...(index > CALLERS / 2 ? [() => release(database, releaseTo(orderId, 'expired'))] : []),
        ];
        await work[randomInt(work.length)]?.();
      });
      await expectPaymentsAddUp(sql);
      const { stage } = (await secured(orderId)) ?? {};
      if (stage === 'expired') expect(await secured(orderId)).toMatchObject({ secured: 0 });
      // Whatever is left to do is done, in any order, and then nothing is left in between.
      if (stage === 'awaiting_payment') await release(database, releaseTo(orderId, 'expired'));
      for (const { id, state } of await listPayments(database, orderId)) {
        if (state !== 'captured') await hear(id, { state: 'voided' });
        await returnPayment(database, { paymentId: id, reason: 'order_over', at: AT });
      }
      await expectPaymentsAddUp(sql);
      const [{ held } = { held: -1 }] = await sql<
        { held: number }[]
      >`select held from wallet where id = ${walletId}`;
      expect(held).toBe(0);
    }
  });
});

describe('of two that exclude each other', () => {
  const ROUNDS = 12;

  test('either a void comes first, or the order takes the payment', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const { orderId } = await openOrder();
      const paymentId = await authorise(orderId, { method: 'provider' });
      const [voided, settled] = await Promise.all([
        requestVoid(database, { paymentId, at: AT }),
        settleOrder(orderId),
      ]);
      const { secures, state } = (await findPayment(database, paymentId)) ?? {};
      expect([voided?.state, settled.refusal, secures, state]).toEqual(
        secures === true
          ? ['capturing', 'capturing', true, 'capturing']
          : ['authorised', 'not_covered', false, 'authorised'],
      );
    }
  });

  test('either the wallet pays all of an order, or a payment secures a part of it', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const { orderId } = await openOrder();
      const [opened, paid] = await Promise.all([
        ask(orderId, { method: 'provider', amount: 100 }),
        pay(database, payment(orderId)),
      ]);
      expect([opened.refusal, paid.refusal]).toEqual(
        paid.stage === 'paid' ? ['order_not_payable', null] : [null, 'order_has_payments'],
      );
    }
  });

  test('either an order is paid by its payments, or it is over and they are given back', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const { orderId } = await openOrder();
      const paymentId = await authorise(orderId, { method: 'provider' });
      await settleOrder(orderId);
      await capture(paymentId);
      const [settled, released] = await Promise.all([
        settleOrder(orderId),
        release(database, releaseTo(orderId, 'cancelled')),
      ]);
      expect(settled.stage).toBe(released.stage);
      const returned = await returnPayment(database, { paymentId, reason: 'order_over', at: AT });
      expect(returned.changed).toBe(released.stage === 'cancelled');
    }
  });
});

describe('a statement that waited for its order', () => {
  /** Runs the first and then the second, which both began before either had the order. */
  async function inLine<A, B>(
    orderId: string,
    first: () => Promise<A>,
    second: () => Promise<B>,
  ): Promise<[A, B]> {
    const unlock = await lockOrders(sql, [orderId]);
    const waiting = (count: number) =>
      until(`${count} statements that wait`, async () => {
        const rows = await sql`
          select from pg_locks join pg_stat_activity using (pid) where not granted and datname = current_database()
        `;
        return rows.length >= count;
      });
    const one = first();
    await waiting(1);
    const other = second();
    await waiting(2);
    await unlock();
    return Promise.all([one, other]);
  }

  test('counts on a payment that was opened meanwhile', async () => {
    const { orderId } = await openOrder();
    const [, released] = await inLine(
      orderId,
      () => ask(orderId, { method: 'provider' }),
      () => release(database, releaseTo(orderId, 'cancelled')),
    );
    expect(released).toEqual({ stage: 'cancelled', reason: 'test', refusal: null, wakes: true });
    expect(await secured(orderId)).toEqual({ stage: 'cancelled', secured: 0 });
    expect(await listPayments(database, orderId)).toMatchObject([{ secures: false }]);
  });

  test('knows that its twin has paid the order', async () => {
    const { orderId } = await openOrder();
    const paymentId = await authorise(orderId, { method: 'provider' });
    await settleOrder(orderId);
    await capture(paymentId);
    const paid = { stage: 'paid', reason: null, refusal: null };
    expect(
      await inLine(
        orderId,
        () => settleOrder(orderId),
        () => settleOrder(orderId),
      ),
    ).toEqual([paid, paid]);
  });

  test('gives back what was paid meanwhile, to the payments that paid it', async () => {
    const { orderId } = await openOrder();
    const paymentId = await authorise(orderId, { method: 'provider' });
    await settleOrder(orderId);
    await capture(paymentId);
    const [, refunded] = await inLine(
      orderId,
      () => settleOrder(orderId),
      () => refund(database, refundOf(orderId, false)),
    );
    expect(refunded).toMatchObject({ stage: 'refunded', wakes: true });
    expect(await findPayment(database, paymentId)).toMatchObject({ refunded: 1_000 });
  });

  test('takes a payment that was authorised meanwhile', async () => {
    const { orderId } = await openOrder();
    const paymentId = await open(orderId, { method: 'provider' });
    const [, settled] = await inLine(
      orderId,
      () => hear(paymentId, { state: 'authorised' }),
      () => settleOrder(orderId),
    );
    expect(settled).toMatchObject({ refusal: 'capturing' });
  });

  test('lets the wallet pay all of an order of which nothing is secured any more', async () => {
    const { orderId } = await openOrder();
    const paymentId = await open(orderId, { method: 'provider', amount: 400 });
    const [, paid] = await inLine(
      orderId,
      () => hear(paymentId, { state: 'declined' }),
      () => pay(database, payment(orderId)),
    );
    expect(paid).toEqual({ stage: 'paid', reason: null, refusal: null });
  });

  test('does not put the deadline off for a payment that became known meanwhile', async () => {
    const { orderId } = await openOrder();
    const paymentId = await open(orderId, { method: 'provider' });
    const [, extended] = await inLine(
      orderId,
      () => hear(paymentId, { state: 'declined' }),
      () => extendDeadline(database, { orderId, paymentDeadline: '2026-01-01T11:00:00.000Z', at: AT }),
    );
    expect(extended.paymentDeadline).toBe('2026-01-01T10:15:00.000Z');
  });

  test('secures only what its twins have left', async () => {
    const { orderId } = await openOrder();
    const [first, second] = await inLine(
      orderId,
      () => ask(orderId, { method: 'provider', amount: 600 }),
      () => ask(orderId, { method: 'provider', amount: 600 }),
    );
    expect([first.refusal, second.refusal]).toEqual([null, 'payment_exceeds_total']);
    expect(await ask(orderId, { method: 'provider' })).toMatchObject({ refusal: null });
    expect(await secured(orderId)).toMatchObject({ secured: 1_000 });
  });
});
