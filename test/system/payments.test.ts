/**
 * Orders that are paid at a payment provider which misbehaves in every way it can, over HTTP, on the whole system: no order is paid without
 * its money, and no money is kept without its order.
 */
import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { BEHAVIOURS, type Source } from '../../dev/provider/behaviour.ts';
import { detectAll } from '../../db/rules/detectors.ts';
import type { PaymentState } from '../../domain/payments.ts';
import { orderWorkflowId, paymentWorkflowId } from '../../domain/workflow-ids.ts';
import { WORKFLOW, paymentQuery } from '../../workflows/messages.ts';
import { expectRulesHold } from '../support/database.ts';
import { expectNoMoneyLost, readBook, startRelay, type BookedPayment } from '../support/payments.ts';
import { startProvider } from '../support/provider.ts';
import { expectStatus } from '../support/shop.ts';
import { startSystem } from '../support/system.ts';
import { until } from '../support/until.ts';

const relay = await startRelay();
const provider = await startProvider({ notify: relay.url, silence: 1_500 });
const system = await startSystem({
  payments: { provider: provider.settings, unmatchedAfter: 1_000 },
});
const { shop, sql, clock, client, taskQueue } = system;
relay.to(system.send);

const TOTAL = 1_000;
const MINUTE = 60_000;
/** Long enough for the pauses after three questions that got no answer. */
const PATIENCE = 60_000;
const sku = await shop.sku(10_000);

const paymentSchema = z.object({
  id: z.string(),
  state: z.string(),
  secures: z.boolean(),
  refunded: z.int(),
  reason: z.string().optional(),
});

interface PlacedOrder {
  id: string;
  walletId: string;
}

/** An order of 10 euros that waits for payment, whose wallet has 50. */
async function anOrder(): Promise<PlacedOrder> {
  const walletId = await shop.wallet(5_000);
  return { id: await shop.placed(walletId, sku, 2), walletId };
}

const payBy = (order: PlacedOrder, source: Source, amount?: number, key?: string) =>
  shop.post(
    `/v1/orders/${order.id}/payments`,
    { method: 'provider', source, ...(amount !== undefined && { amount }) },
    key === undefined ? {} : { key },
  );

const payByWallet = (order: PlacedOrder, amount: number) =>
  shop.post(`/v1/orders/${order.id}/payments`, { method: 'wallet', amount });

async function paymentsOf({ id }: PlacedOrder) {
  const { body } = expectStatus(await shop.get(`/v1/orders/${id}/payments`), 200);
  return z.array(paymentSchema).parse(body['items']);
}

const orderOf = async ({ id }: PlacedOrder) => expectStatus(await shop.get(`/v1/orders/${id}`), 200).body;

/** Waits for the order's last payment to be in this state, and returns it. */
const lastPayment = (order: PlacedOrder, state: PaymentState) =>
  until(
    `the payment of order ${order.id} to be ${state}`,
    async () => {
      const last = (await paymentsOf(order)).at(-1);
      return last?.state === state ? last : undefined;
    },
    PATIENCE,
  );

const untilStage = (order: PlacedOrder, stage: string) =>
  until(
    `order ${order.id} to be ${stage}`,
    async () => (await shop.stageOf(order.id)) === stage || undefined,
    PATIENCE,
  );

/** Waits until the provider has a payment with this reference that is as expected, and returns it. */
const booked = (reference: string, expected: Partial<BookedPayment>) =>
  until(
    `the provider to have ${reference} as ${JSON.stringify(expected)}`,
    async () => {
      const found = (await readBook(provider.settings)).find((one) => one.reference === reference);
      return found !== undefined && isLike(found, expected) ? found : undefined;
    },
    PATIENCE,
  );

const isLike = (found: BookedPayment, expected: Partial<BookedPayment>): boolean =>
  Object.entries(expected).every(([name, value]) =>
    Object.entries(found).some(([n, v]) => n === name && v === value),
  );

/** Proves that the order can still be paid in another way, so that its buyer is not stuck with the payment that failed. */
async function expectPaidOtherwise(order: PlacedOrder): Promise<void> {
  expect(await orderOf(order)).toMatchObject({ stage: 'awaiting_payment', secured: 0 });
  expectStatus(await payBy(order, 'ok'), 201);
  await untilStage(order, 'paid');
}

/** The outcome for an order whose buyer pays in this way. */
const OUTCOMES = {
  async paid(source) {
    const order = await anOrder();
    expectStatus(await payBy(order, source), 201);
    await untilStage(order, 'paid');
    const [payment, ...others] = await paymentsOf(order);
    expect(others).toEqual([]);
    expect(payment).toMatchObject({ state: 'captured', secures: true, refunded: 0 });
    const ofOrder = (await readBook(provider.settings)).filter((one) => one.order === order.id);
    expect(ofOrder).toMatchObject([
      { reference: payment?.id, state: 'captured', captured: TOTAL, refunded: 0 },
    ]);
    expect(await orderOf(order)).toMatchObject({ secured: TOTAL });
  },

  async declined(source) {
    const order = await anOrder();
    const answer = await payBy(order, source);
    const { id, reason } = await lastPayment(order, 'declined');
    if (answer.status !== 201)
      expect(answer).toMatchObject({ status: 409, body: { code: 'payment_declined', paymentId: id } });
    if (source.startsWith('wrong-'))
      expect(reason).toBe(source === 'wrong-captured' ? 'wrong_amount' : source.replace('-', '_'));
    await expectPaidOtherwise(order);
    const { captured, refunded, state } = await booked(id, {});
    expect(captured).toBe(refunded);
    expect(state).not.toBe('authorised');
  },

  async 'paid otherwise, and given back'(source) {
    const { id } = await paidOtherwise(source);
    await booked(id, { state: 'captured', captured: TOTAL, refunded: TOTAL });
  },

  async 'paid otherwise, and given to the wallet'(source) {
    const { id, reason, walletId } = await paidOtherwise(source);
    expect(reason).toBe('refund_refused');
    await booked(id, { state: 'captured', captured: TOTAL, refunded: 0 });
    expect(await shop.balanceOf(walletId)).toEqual({ posted: 5_000 + TOTAL, held: 0 });
  },

  async 'let go of before the order takes it'(source) {
    const order = await anOrder();
    expectStatus(await payBy(order, source, 400), 201);
    const { id } = await lastPayment(order, 'voided');
    await booked(id, { state: 'voided' });
    await expectPaidOtherwise(order);
  },

  async 'cancelled, and voided'(source) {
    const order = await anOrder();
    expectStatus(await payBy(order, source, 400), 201);
    expectStatus(await shop.cancel(order.id), 200);
    const { id, secures } = await lastPayment(order, 'voided');
    expect(secures).toBe(false);
    await booked(id, { state: 'voided', captured: 0 });
  },

  async 'cancelled, and given back'(source) {
    const order = await anOrder();
    expectStatus(await payBy(order, source, 400), 201);
    expectStatus(await shop.cancel(order.id), 200);
    const { id } = await lastPayment(order, 'returned');
    await booked(id, { state: 'captured', captured: 400, refunded: 400 });
  },

  async refunded(source) {
    const { order, id } = await refundInPart(source, 300);
    await booked(id, { captured: TOTAL, refunded: 300 });
    await refundParts(order, [{ paymentId: id, amount: 300, state: 'sent' }]);
    expect(await shop.balanceOf(order.walletId)).toEqual({ posted: 5_000, held: 0 });
  },

  async 'refunded to the wallet'(source) {
    const { order, id } = await refundInPart(source, 300);
    await refundParts(order, [{ paymentId: id, amount: 300, state: 'to_wallet' }]);
    await booked(id, { captured: TOTAL, refunded: 0 });
    expect(await shop.balanceOf(order.walletId)).toEqual({ posted: 5_300, held: 0 });
  },

  async 'expired after the deadline was put off once'(source) {
    const order = await anOrder();
    expect(await payBy(order, source)).toMatchObject({ status: 201, body: { state: 'pending' } });
    const before = await orderOf(order);
    expect(before).toMatchObject({ deadlineExtended: false });
    await clock.forward(orderWorkflowId(order.id), 16 * MINUTE);
    expect(await orderOf(order)).toMatchObject({
      stage: 'awaiting_payment',
      deadlineExtended: true,
      paymentDeadline: new Date(Date.parse(String(before['paymentDeadline'])) + 5 * MINUTE).toISOString(),
    });
    const { body } = await shop.get(`/v1/orders/${order.id}/events`);
    expect(JSON.stringify(body)).toContain('payment_under_way');
    await clock.forward(orderWorkflowId(order.id), 6 * MINUTE);
    await untilStage(order, 'expired');
    const { id } = await lastPayment(order, 'voided');
    await booked(id, { state: 'voided', captured: 0 });
  },
} as const satisfies Record<string, (source: Source) => Promise<void>>;

/** Pays an order by this source, then by another; returns the first payment once its money was given back. */
async function paidOtherwise(source: Source) {
  const order = await anOrder();
  await payBy(order, source);
  await expectPaidOtherwise(order);
  return until(
    'its money to be given back',
    async () => {
      const [payment] = await paymentsOf(order);
      return payment?.state === 'returned' && { ...payment, walletId: order.walletId };
    },
    PATIENCE,
  );
}

/** Pays an order by this source, and refunds a part of it. */
async function refundInPart(source: Source, amount: number) {
  const order = await anOrder();
  expectStatus(await payBy(order, source), 201);
  await untilStage(order, 'paid');
  const [payment] = await paymentsOf(order);
  if (payment === undefined) throw new Error('The order has no payment.');
  expectStatus(await shop.post(`/v1/orders/${order.id}/refund`, { reason: 'broken', amount }), 200);
  return { order, id: payment.id };
}

/** Waits until the parts of the order's only refund are these. */
async function refundParts({ id }: PlacedOrder, parts: readonly object[]): Promise<void> {
  const read = async () => {
    const { body } = expectStatus(await shop.get(`/v1/orders/${id}/refunds`), 200);
    return z
      .array(z.object({ payments: z.array(z.object({ state: z.string() }).loose()) }))
      .parse(body['items']);
  };
  await until(
    `the refund of order ${id} to be sent`,
    async () =>
      (await read()).every(({ payments }) => payments.every(({ state }) => state !== 'owed')) || undefined,
    PATIENCE,
  );
  expect((await read()).map(({ payments }) => payments)).toEqual([parts]);
}

const OUTCOME_OF: Readonly<Record<Source, keyof typeof OUTCOMES>> = {
  ok: 'paid',
  declined: 'declined',
  pending: 'paid',
  'pending-declined': 'declined',
  'pending-forever': 'expired after the deadline was put off once',
  'pending-captured': 'paid',
  captured: 'paid',
  'declined-captured': 'paid otherwise, and given back',
  'declined-kept': 'paid otherwise, and given to the wallet',
  expiring: 'let go of before the order takes it',
  silent: 'paid',
  'open-silence': 'paid',
  'open-lost': 'paid',
  'open-broken': 'paid',
  'open-late': 'paid',
  'open-error': 'paid',
  'capture-lost': 'paid',
  'capture-late': 'paid',
  'capture-error': 'paid',
  'capture-refused': 'declined',
  'void-lost': 'cancelled, and voided',
  'void-captured': 'cancelled, and given back',
  'refund-lost': 'refunded',
  'refund-refused': 'refunded to the wallet',
  unknown: 'paid',
  'wrong-amount': 'declined',
  'wrong-currency': 'declined',
  'wrong-order': 'declined',
  'wrong-captured': 'declined',
  'notified-twice': 'paid',
  'notified-late': 'paid',
  'notified-falsely': 'paid',
  'notified-newest-first': 'paid',
};

const SOURCES = Object.entries(OUTCOME_OF).flatMap(([name, outcome]) => {
  const source = Object.keys(BEHAVIOURS).find((known): known is Source => known === name);
  return source === undefined ? [] : [{ source, outcome }];
});

describe('an order that is paid by a provider', () => {
  test.concurrent.each(SOURCES)(
    '$source: is $outcome',
    async ({ source, outcome }) => OUTCOMES[outcome](source),
    2 * PATIENCE,
  );
});

describe('payments in parts', () => {
  test.concurrent(
    'of wallet and provider pay the order together, and a refund goes to the provider first',
    async () => {
      const order = await anOrder();
      expectStatus(await payByWallet(order, 400), 201);
      expect(await shop.balanceOf(order.walletId)).toEqual({ posted: 5_000, held: 400 });
      expect(await orderOf(order)).toMatchObject({ stage: 'awaiting_payment', secured: 400 });
      expectStatus(await payBy(order, 'ok'), 201);
      await untilStage(order, 'paid');
      expect(await shop.balanceOf(order.walletId)).toEqual({ posted: 4_600, held: 0 });
      const [byWallet, byProvider] = await paymentsOf(order);
      await booked(byProvider?.id ?? '', { captured: 600 });
      expectStatus(await shop.post(`/v1/orders/${order.id}/refund`, { reason: 'broken', amount: 700 }), 200);
      await refundParts(order, [
        { paymentId: byWallet?.id, amount: 100, state: 'sent' },
        { paymentId: byProvider?.id, amount: 600, state: 'sent' },
      ]);
      expect(await shop.balanceOf(order.walletId)).toEqual({ posted: 4_700, held: 0 });
    },
    2 * PATIENCE,
  );

  test.concurrent(
    'are never more than the order costs, and never captured before all of it is there',
    async () => {
      const order = await anOrder();
      expectStatus(await payBy(order, 'ok', 600), 201);
      expect(await payBy(order, 'ok', 401)).toMatchObject({
        status: 409,
        body: { code: 'payment_exceeds_total' },
      });
      const payment = await lastPayment(order, 'authorised');
      await booked(payment.id, { state: 'authorised', captured: 0 });
      expect(await shop.stageOf(order.id)).toBe('awaiting_payment');
    },
    2 * PATIENCE,
  );

  test.concurrent(
    'are made once for each key, at the provider, too',
    async () => {
      const order = await anOrder();
      const key = randomUUID();
      const answers = await Promise.all([1, 2, 3].map(() => payBy(order, 'open-lost', 600, key)));
      const made = answers.filter(({ status }) => status === 201).map(({ body }) => body['id']);
      expect(new Set(made).size).toBe(1);
      expect(await paymentsOf(order)).toHaveLength(1);
      await lastPayment(order, 'authorised');
      expect((await readBook(provider.settings)).filter((one) => one.order === order.id)).toHaveLength(1);
    },
    2 * PATIENCE,
  );

  test.concurrent(
    'that come when their order is cancelled are kept by nobody: one that the provider makes late is voided',
    async () => {
      const order = await anOrder();
      const paying = payBy(order, 'open-late', 400);
      await until('the call that gets no answer', async () => {
        const [payment] = await paymentsOf(order);
        if (payment === undefined) return undefined;
        const asked = await client.workflow
          .getHandle(paymentWorkflowId(payment.id))
          .query(paymentQuery)
          .catch(() => undefined);
        return typeof asked?.unknownSince === 'string';
      });
      expectStatus(await shop.cancel(order.id), 200);
      await paying;
      const { id } = await lastPayment(order, 'voided');
      await booked(id, { state: 'voided', captured: 0 });
    },
    2 * PATIENCE,
  );
});

describe('a payment that nobody here asked for', () => {
  const open = (reference: string, source: Source) =>
    fetch(`${provider.settings.url}/v1/payments`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${provider.settings.key}`,
        'idempotency-key': reference,
        'content-type': 'application/json',
      },
      body: JSON.stringify({ reference, order: 'of another shop', amount: 700, currency: 'EUR', source }),
    });

  test.each([
    ['ok', { state: 'voided' }],
    ['captured', { state: 'captured', captured: 700, refunded: 700 }],
  ] as const)(
    'and that is %s there is given back, and a person is told',
    async (source, expected) => {
      const reference = randomUUID();
      expect((await open(reference, source)).status).toBe(201);
      const noted = () => sql<{ state: string }[]>`
      select state from payment_notification where reference = ${reference} order by received_at, id
    `;
      await until('its notification', async () => (await noted()).length > 0);
      expect(await noted()).toMatchObject([{ state: 'unmatched' }]);
      await until(
        'its money to be given back',
        async () => {
          await client.workflow.execute(WORKFLOW.payments, {
            taskQueue,
            workflowId: `payments-${randomUUID()}`,
          });
          return (await noted()).some(({ state }) => state === 'returned') || undefined;
        },
        PATIENCE,
      );
      await booked(reference, expected);
      const now = new Date(Date.now() + 120 * MINUTE).toISOString();
      expect(await detectAll(sql, 'payment_unmatched', { now, limit: 100 })).toContainEqual(
        expect.objectContaining({ subject: reference, finding: expect.stringContaining('was given back') }),
      );
    },
    2 * PATIENCE,
  );
});

test(
  'after all of this the book of the provider and ours agree to the unit, and every rule holds',
  async () => {
    await expectNoMoneyLost(sql, provider.settings);
    await expectRulesHold(sql);
  },
  2 * PATIENCE,
);
