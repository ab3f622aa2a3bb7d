/** An order's life through the API, on real Temporal and PostgreSQL. The tests move time, and never wait for it. */
import { afterEach, describe, expect, test } from 'vitest';
import { orderWorkflowId } from '../../../domain/workflow-ids.ts';
import { orderQuery } from '../../../workflows/messages.ts';
import { expectRulesHold } from '../../support/database.ts';
import { countEvents, untilEvents } from '../../support/history.ts';
import { idOf } from '../../support/shop.ts';
import { startSystem } from '../../support/system.ts';
import { lockSku, lockWallet } from '../../support/obstacles.ts';
import { unansweredOrder } from '../../support/unanswered.ts';
import { until } from '../../support/until.ts';

const MINUTE = 60_000;
const WINDOW = 15 * MINUTE;

const { shop, client, clock, sql, stopWorker, startWorker } = await startSystem({ paymentWindow: WINDOW });

afterEach(() => expectRulesHold(sql));

const workflowOf = (orderId: string) => client.workflow.getHandle(orderWorkflowId(orderId));
const statusOf = async (orderId: string) => (await workflowOf(orderId).describe()).status.name;
const forward = (orderId: string, milliseconds: number) =>
  clock.forward(orderWorkflowId(orderId), milliseconds);
const untilStage = (orderId: string, stage: string) =>
  until(`order ${orderId} to be ${stage}`, async () => {
    const { body } = await shop.get(`/v1/orders/${orderId}`);
    return body['stage'] === stage ? true : undefined;
  });

/** An order of 2 units at 500 out of 10. */
async function placeOrder({ funds = 5_000, paymentMode = 'debit' } = {}) {
  const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(funds)]);
  const id = await shop.placed(wallet, sku, 2, { paymentMode });
  return { sku, wallet, id };
}

/** Whether a cancel, by the command or by the Web UI, has reached the workflow of an order that is being paid. */
async function hasCancel(id: string): Promise<boolean> {
  const { events } = await workflowOf(id).fetchHistory();
  const accepted = (events ?? []).filter(
    (event) => event.workflowExecutionUpdateAcceptedEventAttributes,
  ).length;
  return (
    accepted === 3 || (events ?? []).some((event) => event.workflowExecutionCancelRequestedEventAttributes)
  );
}

describe('an order that is paid', () => {
  test.each([
    ['debit', { posted: 5_000, held: 0 }],
    ['hold', { posted: 5_000, held: 1_000 }],
  ])('in %s mode takes the money and sells the units', async (paymentMode, balanceWhileOpen) => {
    const { sku, wallet, id } = await placeOrder({ paymentMode });
    expect(await shop.balanceOf(wallet)).toEqual(balanceWhileOpen);
    expect(await shop.stockOf(sku)).toEqual({ onHand: 10, reserved: 2, available: 8 });
    expect(await shop.pay(id)).toMatchObject({ status: 200, body: { id, stage: 'paid', version: 2 } });
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 4_000, held: 0 });
    expect(await shop.stockOf(sku)).toEqual({ onHand: 8, reserved: 0, available: 8 });
    expect(await workflowOf(id).result()).toEqual({ stage: 'paid', reason: null });
  });

  test('has at most 18 events in its workflow history', async () => {
    const { id } = await placeOrder();
    await shop.pay(id);
    expect(await countEvents(client, orderWorkflowId(id))).toBeLessThanOrEqual(18);
  });

  test('even in the last second before its deadline counts as paid', async () => {
    const { id } = await placeOrder();
    await forward(id, WINDOW - 1_000);
    expect(await shop.pay(id)).toMatchObject({ status: 200, body: { stage: 'paid' } });
  });

  test('in time stays paid when its deadline passes while the money is being taken', async () => {
    const { wallet, id } = await placeOrder();
    await forward(id, WINDOW - 1_000);
    const unlock = await lockWallet(sql, wallet);
    const paying = shop.pay(id);
    await untilEvents(client, orderWorkflowId(id), 'timerFiredEventAttributes', 1);
    await unlock();
    expect(await paying).toMatchObject({ status: 200, body: { stage: 'paid' } });
  });

  test('after a refusal and a top-up takes the money once', async () => {
    const { wallet, id } = await placeOrder({ funds: 999 });
    expect(await shop.pay(id)).toMatchObject({ status: 422, body: { code: 'insufficient_funds' } });
    expect(await shop.stageOf(id)).toBe('awaiting_payment');
    await shop.topUp(wallet, 1);
    expect(await shop.pay(id)).toMatchObject({ status: 200, body: { stage: 'paid' } });
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 0, held: 0 });
  });

  test('while PostgreSQL keeps its step waiting falls back to a retried activity, and is paid once', async () => {
    const { wallet, id } = await placeOrder();
    const unlock = await lockWallet(sql, wallet);
    const paying = shop.pay(id);
    await untilEvents(client, orderWorkflowId(id), 'activityTaskScheduledEventAttributes', 1);
    await unlock();
    expect(await paying).toMatchObject({ status: 200, body: { stage: 'paid' } });
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 4_000, held: 0 });
    // It failed for less time than it takes to raise a mark.
    expect(await sql`select from attention where order_id = ${id}`).toHaveLength(0);
  });
});

describe('an order that is not paid', () => {
  test.each(['debit', 'hold'])(
    'in %s mode expires at its deadline and gives everything back',
    async (paymentMode) => {
      const { sku, wallet, id } = await placeOrder({ paymentMode });
      await forward(id, WINDOW - 1_000);
      expect(await shop.stageOf(id)).toBe('awaiting_payment');
      await forward(id, 1_000);
      expect(await workflowOf(id).result()).toEqual({ stage: 'expired', reason: 'payment_window_ended' });
      expect(await shop.stageOf(id)).toBe('expired');
      expect(await shop.stockOf(sku)).toEqual({ onHand: 10, reserved: 0, available: 10 });
      expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
    },
  );

  test('takes no payment after its deadline', async () => {
    const { wallet, id } = await placeOrder();
    await forward(id, WINDOW);
    expect(await shop.pay(id)).toMatchObject({ status: 409, body: { code: 'order_expired' } });
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
  });

  test('expires when its payment is refused after the deadline has passed', async () => {
    const { wallet, id } = await placeOrder({ funds: 10 });
    await forward(id, WINDOW - 1_000);
    const unlock = await lockWallet(sql, wallet);
    const paying = shop.pay(id);
    await untilEvents(client, orderWorkflowId(id), 'timerFiredEventAttributes', 1);
    await unlock();
    expect(await paying).toMatchObject({ status: 422, body: { code: 'insufficient_funds' } });
    expect(await shop.stageOf(id)).toBe('expired');
  });

  test('keeps its deadline while no worker runs, and expires at once when a worker is back', async () => {
    const { id } = await placeOrder();
    await stopWorker();
    const forwarded = forward(id, WINDOW);
    await until('the timer', async () =>
      (await countEvents(client, orderWorkflowId(id), 'timerFiredEventAttributes')) === 1 ? true : undefined,
    );
    expect(await shop.stageOf(id)).toBe('awaiting_payment');
    await startWorker();
    await forwarded;
    await untilStage(id, 'expired');
  });
});

test('an order that is paid at the very instant of its deadline ends either as paid or as expired, never as both', async () => {
  const ends = new Set<unknown>();
  for (let round = 0; round < 6; round += 1) {
    const { sku, wallet, id } = await placeOrder();
    await forward(id, WINDOW - 500);
    const [payment] = await Promise.all([shop.pay(id), forward(id, 500)]);
    const end = await workflowOf(id).result();
    const paid = payment.status === 200;
    expect(end).toMatchObject({ stage: paid ? 'paid' : 'expired' });
    expect(await shop.balanceOf(wallet)).toEqual({ posted: paid ? 4_000 : 5_000, held: 0 });
    expect(await shop.stockOf(sku)).toMatchObject({ onHand: paid ? 8 : 10, reserved: 0 });
    ends.add(payment.body['code'] ?? payment.body['stage']);
  }
  expect(['paid', 'order_expired']).toEqual(expect.arrayContaining([...ends]));
});

describe('an order that is cancelled', () => {
  test.each(['debit', 'hold'])('before payment in %s mode gives everything back', async (paymentMode) => {
    const { sku, wallet, id } = await placeOrder({ paymentMode });
    expect(await shop.cancel(id, 'too late for the party')).toMatchObject({
      status: 200,
      body: { stage: 'cancelled', reason: 'too late for the party' },
    });
    expect(await shop.stockOf(sku)).toEqual({ onHand: 10, reserved: 0, available: 10 });
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
    expect(await shop.pay(id)).toMatchObject({ status: 409, body: { code: 'order_cancelled' } });
    expect(await shop.cancel(id)).toMatchObject({ status: 409, body: { code: 'order_cancelled' } });
  });

  test('with the Web UI\u2019s Cancel is compensated like any other cancelled order, and shown as Canceled', async () => {
    const { sku, wallet, id } = await placeOrder({ paymentMode: 'hold' });
    await workflowOf(id).cancel();
    await untilStage(id, 'cancelled');
    expect(await shop.stockOf(sku)).toEqual({ onHand: 10, reserved: 0, available: 10 });
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
    await until('the workflow to end', async () => ((await statusOf(id)) === 'CANCELLED' ? true : undefined));
  });

  test.each(['the command', 'the Web UI\u2019s Cancel'])(
    'by %s while it is being paid is paid, then refunded and restocked',
    async (by) => {
      const { sku, wallet, id } = await placeOrder();
      const unlock = await lockWallet(sql, wallet);
      const paying = shop.pay(id);
      await untilEvents(client, orderWorkflowId(id), 'activityTaskScheduledEventAttributes', 1);
      const cancelling = by === 'the command' ? shop.cancel(id) : workflowOf(id).cancel();
      await until('the cancel to arrive', async () => {
        const { raw } = await workflowOf(id).describe();
        return raw.pendingActivities?.length && (await hasCancel(id)) ? true : undefined;
      });
      await unlock();
      await Promise.all([paying, cancelling]);
      await untilStage(id, 'refunded');
      expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
      expect(await shop.stockOf(sku)).toEqual({ onHand: 10, reserved: 0, available: 10 });
      expect(await workflowOf(id).result()).toMatchObject({ stage: 'refunded' });
    },
  );

  test('while its payment is refused is cancelled', async () => {
    const { wallet, id } = await placeOrder({ funds: 10 });
    const unlock = await lockWallet(sql, wallet);
    const paying = shop.pay(id);
    await untilEvents(client, orderWorkflowId(id), 'activityTaskScheduledEventAttributes', 1);
    const cancelling = shop.cancel(id);
    await untilEvents(client, orderWorkflowId(id), 'workflowExecutionUpdateAcceptedEventAttributes', 3);
    await unlock();
    expect(await paying).toMatchObject({ status: 422, body: { code: 'insufficient_funds' } });
    expect(await cancelling).toMatchObject({ status: 200, body: { stage: 'cancelled' } });
  });

  test('before its reservation is answered holds nothing, even when a late attempt arrives', async () => {
    const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(5_000)]);
    const unlock = await lockSku(sql, sku);
    const placing = shop.order(wallet, [{ sku, quantity: 2 }]);
    const id = await unansweredOrder({ sql, client });
    await untilEvents(client, orderWorkflowId(id), 'activityTaskScheduledEventAttributes', 1);
    await workflowOf(id).cancel();
    await untilStage(id, 'cancelled');
    await unlock();
    expect(await placing).toMatchObject({ status: 409, body: { code: 'order_cancelled' } });
    expect(await shop.stockOf(sku)).toEqual({ onHand: 10, reserved: 0, available: 10 });
  });

  test('after payment is refunded and restocked', async () => {
    const { sku, wallet, id } = await placeOrder();
    await shop.pay(id);
    expect(await shop.cancel(id)).toMatchObject({ status: 200, body: { stage: 'refunded' } });
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
    expect(await shop.stockOf(sku)).toEqual({ onHand: 10, reserved: 0, available: 10 });
  });
});

describe('an order that cannot be reserved', () => {
  test('because it is out of stock is rejected, and holds nothing', async () => {
    const [sku, wallet] = await Promise.all([shop.sku(1), shop.wallet(5_000)]);
    const answer = await shop.order(wallet, [{ sku, quantity: 2 }]);
    expect(answer).toMatchObject({ status: 409, body: { code: 'out_of_stock' } });
    expect(await shop.stockOf(sku)).toEqual({ onHand: 1, reserved: 0, available: 1 });
  });

  test('because funds are missing in hold mode is rejected, and holds nothing', async () => {
    const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(10)]);
    const answer = await shop.order(wallet, [{ sku, quantity: 1 }], { paymentMode: 'hold' });
    expect(answer).toMatchObject({ status: 422, body: { code: 'insufficient_funds' } });
    expect(await shop.stockOf(sku)).toEqual({ onHand: 10, reserved: 0, available: 10 });
  });
});

describe('a paid order that is refunded', () => {
  test.each([
    [true, { onHand: 10, reserved: 0, available: 10 }],
    [false, { onHand: 8, reserved: 0, available: 8 }],
  ])('with restock = %s gives the money back once', async (restock, stock) => {
    const { sku, wallet, id } = await placeOrder();
    await shop.pay(id);
    const first = await shop.refund(id, restock, { key: `refund ${id}` });
    expect(first).toMatchObject({ status: 200, body: { stage: 'refunded', reason: 'broken' } });
    expect(await shop.refund(id, restock, { key: `refund ${id}` })).toMatchObject({
      status: 200,
      body: first.body,
    });
    expect(await shop.refund(id, restock)).toMatchObject({
      status: 409,
      body: { code: 'order_not_refundable' },
    });
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
    expect(await shop.stockOf(sku)).toEqual(stock);
  });
});

test('two payments and a cancel of an order at once leave it with exactly one end', async () => {
  for (let round = 0; round < 5; round += 1) {
    const { wallet, id } = await placeOrder();
    const answers = await Promise.all([shop.pay(id), shop.cancel(id), shop.pay(id)]);
    expect(answers.every(({ status }) => status === 200 || status === 409)).toBe(true);
    const stage = await shop.stageOf(id);
    // The cancel is carried out either way: before the payment, or as a refund after it.
    expect(['cancelled', 'refunded']).toContain(stage);
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
  }
});

test('an order shows in Temporal what it waits for, and until when', async () => {
  const { id } = await placeOrder();
  const view = await workflowOf(id).query(orderQuery);
  expect(view).toMatchObject({ stage: 'awaiting_payment', payAttempts: 0 });
  const metadata = await workflowOf(id).query('__temporal_workflow_metadata');
  expect(JSON.stringify(metadata)).toContain(
    `Waits for payment until ${view.deadline.slice(0, 19).replace('T', ' ')} UTC`,
  );
});

test('the deadline of an order counts from the start of its workflow, whichever run of its first task made the reservation', async () => {
  const { id } = await placeOrder();
  const { startTime } = await workflowOf(id).describe();
  const { body } = await shop.get(`/v1/orders/${id}`);
  expect(body['paymentDeadline']).toBe(new Date(startTime.getTime() + WINDOW).toISOString());
  expect((await workflowOf(id).query(orderQuery)).deadline).toBe(body['paymentDeadline']);
});

test('a step that failed shows the operator why, in one sentence, and that it is retried', async () => {
  const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(5_000)]);
  const id = idOf(await shop.order(wallet, [{ sku, quantity: 1 }]));
  const unlock = await lockWallet(sql, wallet);
  const paying = shop.pay(id);
  const pending = await until('a failed attempt', async () => {
    const { raw } = await workflowOf(id).describe();
    return raw.pendingActivities?.find(({ lastFailure }) => lastFailure);
  });
  expect(pending.activityType?.name).toBe('pay');
  expect(pending.lastFailure?.message).toContain(`keeps the row of wallet ${wallet} locked`);
  expect(pending.lastFailure?.message).toContain(`pay for order ${id} waits for it`);
  await unlock();
  await paying;
});
