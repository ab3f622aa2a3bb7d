/** A reservation that is interrupted in every way is made once, refused once, or cancelled without a trace. */
import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { PAYMENT_MODES, type PaymentMode } from '../../domain/order.ts';
import type { Answer } from '../support/answer.ts';
import { expectRulesHold } from '../support/database.ts';
import {
  ONCE,
  REPEATED,
  casesOf,
  done,
  describeAttempts,
  countLate,
  neverReserved,
  open,
  refused,
  sold,
  startInterruptedOrders,
  unpaid,
  type Buyer,
} from '../support/interrupted-orders.ts';
import { always } from '../support/interruptions.ts';
import { idOf } from '../support/shop.ts';
import { until } from '../support/until.ts';

const { shop, sql, interrupt, createBuyer, factsOf } = await startInterruptedOrders();

afterEach(() => expectRulesHold(sql));

/** Places an order and gives its id as soon as it has one, long before it is answered. */
function placing({ sku, wallet }: Buyer, paymentMode: PaymentMode) {
  const key = randomUUID();
  const answer: Promise<Answer> = shop.order(wallet, [{ sku, quantity: 2 }], { paymentMode }, { key });
  const id = until('the id', async () => {
    const [row] = await sql<{ id: string }[]>`
      select command_id as id from idempotency_key where operation = 'createOrder' and key = ${key}
    `;
    return row?.id;
  });
  return { answer, id };
}

describe.concurrent('an interrupted reservation is made once and can be paid', () => {
  test.each(casesOf())('%s', async (_, { attempts, mode, lands }) => {
    const { sku, wallet } = await createBuyer();
    const plan = interrupt('reserve', wallet, attempts);
    const landing = async () => expect(await plan.land()).toBe(countLate(attempts));

    const answer = await shop.order(wallet, [{ sku, quantity: 2 }], { paymentMode: mode });
    expect(answer).toMatchObject({ status: 201, body: { stage: 'awaiting_payment' } });
    expect(plan.happened()).toBe(attempts.length);
    const order = { sku, wallet, id: idOf(answer) };
    expect(await factsOf(order)).toEqual(open(mode));
    if (lands === 'before') {
      await landing();
      expect(await factsOf(order)).toEqual(open(mode));
    }
    expect(await shop.pay(order.id)).toMatchObject(done('paid'));
    if (lands === 'after') await landing();
    expect(await factsOf(order)).toEqual(sold(mode));
  });
});

describe.concurrent('an interrupted reservation that is refused', () => {
  const cases = [...ONCE, REPEATED].map((attempts) => [describeAttempts(attempts), attempts] as const);
  test.each(cases)('stays refused after the buyer has topped up, when it %s', async (_, attempts) => {
    const { sku, wallet } = await createBuyer(999);
    const plan = interrupt('reserve', wallet, attempts);
    const answer = await shop.order(wallet, [{ sku, quantity: 2 }], { paymentMode: 'hold' });
    expect(answer).toMatchObject(refused(422, 'insufficient_funds'));
    expect(plan.happened()).toBe(attempts.length);
    await shop.topUp(wallet, 4_001);
    expect(await plan.land()).toBe(countLate(attempts));
    expect(await factsOf({ sku, wallet, id: z.string().parse(answer.body['orderId']) })).toEqual({
      ...neverReserved,
      stage: 'rejected',
      path: ['rejected'],
    });
  });
});

describe.concurrent('a cancel during an interrupted reservation cancels the order for good', () => {
  /** The first has no effect, the second has one to be undone, the third lands after its compensation. */
  const RESERVATIONS = ['fails before it is sent', 'commits but loses its answer', 'commits late'] as const;
  const cases = RESERVATIONS.flatMap((reservation) =>
    PAYMENT_MODES.flatMap((mode) =>
      [...ONCE, ...(reservation === 'commits late' ? [REPEATED] : [])].map(
        (attempts) =>
          [
            `in ${mode} mode, when the reservation ${reservation} and the cancelling step ${describeAttempts(attempts)}`,
            { reservation, mode, attempts },
          ] as const,
      ),
    ),
  );
  test.each(cases)('%s', async (_, { reservation, mode, attempts }) => {
    const { sku, wallet } = await createBuyer();
    const reserving = interrupt('reserve', wallet, always(reservation));
    const cancelling = interrupt('abandon', wallet, attempts);
    const order = placing({ sku, wallet }, mode);
    const id = await order.id;
    await until('the fallback', async () => reserving.happened() >= 2);

    expect(await shop.cancel(id)).toMatchObject(done('cancelled'));
    expect(await order.answer).toMatchObject(refused(409, 'order_cancelled'));
    expect(cancelling.happened()).toBe(attempts.length);
    const facts = reservation === 'commits but loses its answer' ? unpaid('cancelled') : neverReserved;
    expect(await factsOf({ id, sku, wallet })).toEqual(facts);

    reserving.stop();
    const landed = await Promise.all([reserving.land(), cancelling.land()]);
    expect(landed).toEqual([reservation === 'commits late' ? reserving.happened() : 0, countLate(attempts)]);
    expect(await factsOf({ id, sku, wallet })).toEqual(facts);
    expect(await shop.pay(id)).toMatchObject(refused(409, 'order_cancelled'));
  });
});
