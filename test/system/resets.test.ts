/**
 * An order that is reset before it has ended, at rest or in the middle of a step: the new run takes over what the database
 * has recorded. One debit, one reservation, one refund.
 */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { PAYMENT_MODES } from '../../domain/order.ts';
import type { Source } from '../../dev/provider/behaviour.ts';
import { orderWorkflowId, paymentWorkflowId } from '../../domain/workflow-ids.ts';
import { expectRulesHold } from '../support/database.ts';
import { always } from '../support/interruptions.ts';
import { WINDOW, startOrdersToReset, untilFallback } from '../support/orders-to-reset.ts';
import { expectNoMoneyLost, keptOf, paymentStatesOf, untilSettled } from '../support/payments.ts';
import { refundWorkflowOf } from '../support/refunds.ts';
import { completedTasks, reset, REAPPLY, type Reapply } from '../support/resets.ts';
import type { Answer } from '../support/answer.ts';
import { expectStatus, idOf } from '../support/shop.ts';
import { until } from '../support/until.ts';

const {
  shop,
  client,
  clock,
  sql,
  provider,
  interrupt,
  untilEnded,
  readRecord,
  readOrder,
  viewOf,
  placeOrder,
  taskOf,
  interruptReservation,
} = await startOrdersToReset();

afterEach(() => expectRulesHold(sql));
afterAll(() => expectNoMoneyLost(sql, provider.settings), 60_000);

/** Resolves when the order's newest run knows of its reservation: until then it refuses every payment. */
const untilReserved = (workflowId: string) =>
  until('the new run to be reserved', async () => (await viewOf(workflowId)).stage !== 'reserving');

const untilStage = (orderId: string, stage: string, patience?: number) =>
  until(`order ${orderId} to be ${stage}`, async () => (await shop.stageOf(orderId)) === stage, patience);

const WHOLE = { onHand: 10, reserved: 0, available: 10 };
const SOLD = { onHand: 8, reserved: 0, available: 8 };

const OPEN = REAPPLY.flatMap((reapply) => PAYMENT_MODES.map((paymentMode) => ({ reapply, paymentMode })));

describe.concurrent.each(OPEN)(
  'an open order in $paymentMode mode that is reset and $reapply',
  ({ reapply, paymentMode }) => {
    async function resetWhileOpen() {
      const order = await placeOrder({ paymentMode });
      const record = await readRecord(order.id);
      await reset(client, await taskOf(order.workflowId, 0), reapply);
      await untilReserved(order.workflowId);
      expect(await readRecord(order.id)).toEqual(record);
      const { deadline } = await viewOf(order.workflowId);
      expect(deadline).toBe((await readOrder(order.id)).deadline.toISOString());
      return order;
    }

    test('is paid once', async () => {
      const { id, sku, wallet } = await resetWhileOpen();
      expect(await shop.pay(id)).toMatchObject({ status: 200, body: { stage: 'paid', version: 2 } });
      expect(await shop.balanceOf(wallet)).toEqual({ posted: 4_000, held: 0 });
      expect(await shop.stockOf(sku)).toEqual(SOLD);
    });

    test('is cancelled once', async () => {
      const { id, sku, wallet } = await resetWhileOpen();
      expect(await shop.cancel(id)).toMatchObject({ status: 200, body: { stage: 'cancelled', version: 2 } });
      expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
      expect(await shop.stockOf(sku)).toEqual(WHOLE);
    });

    test('expires at the deadline the caller was given', async () => {
      const { id, sku, wallet, workflowId } = await resetWhileOpen();
      const remaining = (await readOrder(id)).deadline.getTime() - Date.now();
      await clock.forward(workflowId, remaining - 5_000);
      expect(await shop.stageOf(id)).toBe('awaiting_payment');
      await clock.forward(workflowId, 5_000);
      expect(await client.workflow.getHandle(workflowId).result()).toMatchObject({ stage: 'expired' });
      expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
      expect(await shop.stockOf(sku)).toEqual(WHOLE);
    });
  },
);

describe.concurrent.each(REAPPLY)(
  'an order whose payment was refused and whose workflow %s after a reset',
  (reapply) => {
    async function resetAfterRefusal(index: number): Promise<string> {
      const { id, wallet, workflowId } = await placeOrder({ funds: 999 });
      expect(await shop.pay(id)).toMatchObject({ status: 422, body: { code: 'insufficient_funds' } });
      await reset(client, await taskOf(workflowId, index), reapply);
      await untilReserved(workflowId);
      await shop.topUp(wallet, 1);
      return id;
    }

    test.each([0, 1])('to task %i takes no money for the refused payment when it expires', async (index) => {
      const id = await resetAfterRefusal(index);
      await clock.forward(orderWorkflowId(id), WINDOW);
      await untilEnded(orderWorkflowId(id));
      expect(await shop.stageOf(id)).toBe('expired');
    });

    test.each([0, 1])('to task %i can be paid once the buyer has topped up', async (index) => {
      const id = await resetAfterRefusal(index);
      expect(await shop.pay(id)).toMatchObject({ status: 200, body: { stage: 'paid' } });
    });
  },
);

/** The final answer to a caller who sends the request again, with its key, as long as the API asks for it. */
const finalAnswer = (send: () => Promise<Answer>) =>
  until(
    'a final answer',
    async () => {
      const answer = await send();
      const again = answer.status >= 500 || answer.body['code'] === 'idempotency_in_progress';
      return again ? undefined : answer;
    },
    8_000,
  );

const INTERRUPTIONS = ['fails before it is sent', 'commits but loses its answer', 'commits late'] as const;
const INTERRUPTED = REAPPLY.flatMap((reapply) =>
  INTERRUPTIONS.map((interruption) => ({ reapply, interruption })),
);

describe.concurrent.each(INTERRUPTED)(
  'when a step $interruption and its workflow $reapply after a reset',
  ({ reapply, interruption }) => {
    test('to task 0, one reservation is made', async () => {
      const { workflowId, sku, plan, answer, send } = await interruptReservation(interruption);
      await reset(client, await taskOf(workflowId, 0), reapply);
      plan.stop();
      await answer;
      expect(await finalAnswer(send)).toMatchObject({ status: 201, body: { stage: 'awaiting_payment' } });
      await plan.land();
      expect(await shop.stockOf(sku)).toEqual({ onHand: 10, reserved: 2, available: 8 });
    });

    test.each([0, 1])('to task %i, one payment is made', async (index) => {
      const { id, sku, wallet, workflowId } = await placeOrder();
      const plan = interrupt('pay', id, always(interruption));
      const paying = shop.pay(id);
      await untilFallback(plan);
      await reset(client, await taskOf(workflowId, index), reapply);
      await untilReserved(workflowId);
      plan.stop();
      await paying;
      if ((await shop.stageOf(id)) !== 'paid') expect((await shop.pay(id)).status).toBeOneOf([200, 409]);
      await plan.land();
      await untilStage(id, 'paid');
      expect(await shop.balanceOf(wallet)).toEqual({ posted: 4_000, held: 0 });
      expect(await shop.stockOf(sku)).toEqual(SOLD);
      // The new run ends once it knows of the payment.
      await clock.forward(workflowId, WINDOW);
      await untilEnded(workflowId);
      expect(await shop.cancel(id)).toMatchObject({ status: 200, body: { stage: 'refunded', version: 3 } });
    });

    for (const index of [0, 1]) {
      test(`to task ${index}, a caller who sends the payment again gets its success`, async () => {
        const { id, workflowId } = await placeOrder();
        const key = randomUUID();
        const plan = interrupt('pay', id, always(interruption));
        const paying = shop.pay(id, { key });
        await untilFallback(plan);
        await reset(client, await taskOf(workflowId, index), reapply);
        await untilReserved(workflowId);
        plan.stop();
        await paying;
        const answer = await finalAnswer(() => shop.pay(id, { key }));
        expect(answer).toMatchObject({ status: 200, body: { stage: 'paid', version: 2 } });
        await plan.land();
      });
    }

    test('to task 0, one refund is made', async () => {
      const { id, sku, wallet } = await placeOrder();
      await shop.pay(id);
      const key = randomUUID();
      const plan = interrupt('refund', id, always(interruption));
      const refunding = shop.refund(id, true, { key });
      await untilFallback(plan);
      await reset(client, await taskOf(await refundWorkflowOf({ client, sql }, id), 0), reapply);
      plan.stop();
      await refunding;
      const answer = await finalAnswer(() => shop.refund(id, true, { key }));
      expect(answer).toMatchObject({ status: 200, body: { stage: 'refunded', version: 3 } });
      await plan.land();
      expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
      expect(await shop.stockOf(sku)).toEqual(WHOLE);
    });
  },
);

describe.concurrent('a caller whose workflow is reset while it waits', () => {
  const SEND_AGAIN = { status: 503, body: { code: 'unavailable' } };

  test('for a payment is asked to send it again', async () => {
    const { id, workflowId } = await placeOrder();
    const plan = interrupt('pay', id, always('fails before it is sent'));
    const paying = shop.pay(id);
    await untilFallback(plan);
    await reset(client, await taskOf(workflowId, 1), 'is sent no command again');
    expect(await paying).toMatchObject(SEND_AGAIN);
    plan.stop();
  });

  test('for a reservation is asked to send it again', async () => {
    const { workflowId, plan, answer } = await interruptReservation('fails before it is sent');
    await reset(client, await taskOf(workflowId, 0), 'is sent no command again');
    const heard = await answer;
    plan.stop();
    expect(heard).toMatchObject(SEND_AGAIN);
  });

  test('for a refund is asked to send it again', async () => {
    const { id } = await placeOrder();
    await shop.pay(id);
    const plan = interrupt('refund', id, always('fails before it is sent'));
    const refunding = shop.refund(id, true);
    await untilFallback(plan);
    await reset(
      client,
      await taskOf(await refundWorkflowOf({ client, sql }, id), 0),
      'is sent its commands again',
    );
    const heard = await refunding;
    plan.stop();
    expect(heard).toMatchObject(SEND_AGAIN);
  });

  test('for a payment has the payment carried out by the new run when it is sent again', async () => {
    const { id, workflowId } = await placeOrder();
    const plan = interrupt('pay', id, always('fails before it is sent'));
    const paying = shop.pay(id);
    await untilFallback(plan);
    await reset(client, await taskOf(workflowId, 0), 'is sent its commands again');
    plan.stop();
    await Promise.all([paying, untilReserved(workflowId)]);
    await untilStage(id, 'paid', 2_000);
  });
});

/** Resets to each task in turn, the last one first: an earlier one is in the history of every run after that. */
async function resetToEachTask(workflowId: string, reapply: Reapply): Promise<void> {
  const { length } = await completedTasks(client, workflowId);
  for (let index = length - 1; index >= 0; index -= 1)
    await reset(client, await taskOf(workflowId, index), reapply);
}

const pay = (id: string, part: { method: 'wallet' | 'provider'; amount: number; source?: Source }) =>
  shop.post(`/v1/orders/${id}/payments`, part);

/** An order of which its wallet pays 300. */
async function begun() {
  const order = await placeOrder();
  expectStatus(await pay(order.id, { method: 'wallet', amount: 300 }), 201);
  return order;
}

/** The same, whose provider does not take the other 700 before some seconds are over. */
async function capturing() {
  const order = await begun();
  const paying = pay(order.id, { method: 'provider', amount: 700, source: 'capture-error' });
  await until(
    'its money to be taken',
    async () => (await paymentStatesOf(sql, order.id)).join() === 'captured,capturing',
  );
  return { ...order, paying };
}

async function expectPaidOnce({ id, sku, wallet, workflowId }: Awaited<ReturnType<typeof placeOrder>>) {
  await untilStage(id, 'paid', 30_000);
  await untilEnded(workflowId);
  await untilSettled(sql, id);
  expect(await keptOf(provider.settings, id)).toBe(700);
  expect(await shop.balanceOf(wallet)).toEqual({ posted: 4_700, held: 0 });
  expect(await shop.stockOf(sku)).toEqual(SOLD);
}
describe.concurrent.each(REAPPLY)(
  'an order that is paid in parts, while a workflow %s after a reset,',
  (reapply) => {
    test('which is its own, is paid once with what comes before and after', async () => {
      const order = await begun();
      expectStatus(await pay(order.id, { method: 'provider', amount: 300, source: 'ok' }), 201);
      await resetToEachTask(order.workflowId, reapply);
      await untilReserved(order.workflowId);
      expectStatus(await pay(order.id, { method: 'provider', amount: 400, source: 'ok' }), 201);
      await expectPaidOnce(order);
    });

    test('which is its own, is paid once when its money is being taken', async () => {
      const order = await capturing();
      await resetToEachTask(order.workflowId, reapply);
      await order.paying;
      await expectPaidOnce(order);
    });
    test('which is that of its payments, is paid once', async () => {
      const order = await begun();
      const first = expectStatus(await pay(order.id, { method: 'provider', amount: 300, source: 'ok' }), 201);
      await resetToEachTask(paymentWorkflowId(idOf(first)), reapply);
      const paying = pay(order.id, { method: 'provider', amount: 400, source: 'capture-error' });
      await until('the money to be taken', async () =>
        (await paymentStatesOf(sql, order.id)).includes('capturing'),
      );
      const payments = await sql<{ id: string }[]>`select id from payment where order_id = ${order.id}`;
      for (const { id } of payments) await resetToEachTask(paymentWorkflowId(id), reapply);
      await paying;
      await expectPaidOnce(order);
    });

    test('which is that of its payments, gives all back once when it is cancelled', async () => {
      const order = await begun();
      const first = expectStatus(
        await pay(order.id, { method: 'provider', amount: 300, source: 'void-captured' }),
        201,
      );
      expectStatus(await shop.cancel(order.id), 200);
      await resetToEachTask(paymentWorkflowId(idOf(first)), reapply);
      await until(
        'both to be given back',
        async () => (await paymentStatesOf(sql, order.id)).join() === 'voided,returned',
        30_000,
      );
      await untilSettled(sql, order.id);

      expect(await keptOf(provider.settings, order.id)).toBe(0);
      expect(await shop.balanceOf(order.wallet)).toEqual({ posted: 5_000, held: 0 });
      expect(await shop.stockOf(order.sku)).toEqual(WHOLE);
    });
  },
);

describe.each(REAPPLY)('an order whose money is being taken when its deadline passes', (reapply) => {
  test(`is paid once, although its workflow ${reapply} after a reset`, async () => {
    const order = await capturing();
    provider.process.child.kill('SIGSTOP');
    await resetToEachTask(order.workflowId, reapply);
    await untilReserved(order.workflowId);
    await clock.forward(order.workflowId, WINDOW);
    expect(await shop.stageOf(order.id)).toBe('awaiting_payment');
    provider.process.child.kill('SIGCONT');
    await order.paying;
    await expectPaidOnce(order);
  });
});
