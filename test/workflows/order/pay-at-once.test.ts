/** An order that is placed and paid in one call. */
import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import type { Answer, Order } from '../../../api/client.ts';
import { requirePayment } from '../../../api/orders/pay-at-once.ts';
import type { Caller } from '../../../domain/access.ts';
import { orderWorkflowId } from '../../../domain/workflow-ids.ts';
import { expectRulesHold } from '../../support/database.ts';
import { countEvents, untilEvents } from '../../support/history.ts';
import { always, interruptions } from '../../support/interruptions.ts';
import { lockSku, lockWallet } from '../../support/obstacles.ts';
import { REAPPLY, completedTasks, reset } from '../../support/resets.ts';
import { expectStatus, idOf } from '../../support/shop.ts';
import { startSystem } from '../../support/system.ts';
import { until } from '../../support/until.ts';

const WINDOW = 15 * 60_000;
const { between, interrupt } = interruptions();
const { shop, client, clock, sql, database, temporal } = await startSystem({
  paymentWindow: WINDOW,
  workerDatabase: between,
});

afterEach(() => expectRulesHold(sql));

const workflowOf = (orderId: string) => client.workflow.getHandle(orderWorkflowId(orderId));

/** Sends an order of 2 units at 500 out of 10, to be paid at once, as often as it is asked to. */
async function anOrder({ funds = 5_000, paymentMode = 'debit' } = {}) {
  const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(funds)]);
  const key = randomUUID();
  const send = () => shop.order(wallet, [{ sku, quantity: 2 }], { paymentMode, pay: true }, { key });
  const known = async () => {
    const [row] = await sql<
      { id: string }[]
    >`select command_id as id from idempotency_key where key = ${key}`;
    return row?.id;
  };
  return { sku, wallet, send, untilKnown: () => until('the order to have its id', known) };
}

/** The answer that is kept in the end. */
const answerOf = (send: () => Promise<Answer<Order>>) =>
  until('an answer that is kept', async () => {
    const answer = await send();
    return answer.status < 500 && answer.body.code !== 'idempotency_in_progress' ? answer : undefined;
  });

const readPayments = (orderId: string) => sql<{ kind: string }[]>`
  select kind from transfer where order_id = ${orderId} order by id
`;

const SOLD = { onHand: 8, reserved: 0, available: 8 };
const PROMISED = { onHand: 10, reserved: 2, available: 8 };

describe.each([
  ['debit', 'debit'],
  ['hold', 'capture'],
])('an order in %s mode that is paid at once', (paymentMode, kind) => {
  test('is placed and paid in one task of its workflow, without a timer, by its own id', async () => {
    const { sku, wallet, send } = await anOrder({ paymentMode });
    const answer = expectStatus(await send(), 201);
    const id = idOf(answer);
    expect(answer.body).toMatchObject({ stage: 'paid', version: 2 });
    expect(answer.headers.get('location')).toBe(`/v1/orders/${id}`);
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 4_000, held: 0 });
    expect(await shop.stockOf(sku)).toEqual(SOLD);
    expect([...(await readPayments(id))]).toEqual([{ kind }]);
    expect(await workflowOf(id).result()).toEqual({ stage: 'paid', reason: null });
    expect(await completedTasks(client, orderWorkflowId(id))).toHaveLength(1);
    // Started, a task in three events, the update in two, a marker for each step, its stage in the listing, and completed.
    expect(await countEvents(client, orderWorkflowId(id))).toBe(10);
    const { body } = await shop.listOrderEvents(id);
    expect(body.items).toMatchObject([{ stage: 'awaiting_payment' }, { stage: 'paid', commandId: id }]);
  });

  test('is one order with one payment, however often it is sent, also at once', async () => {
    const { wallet, send } = await anOrder({ paymentMode });
    const answers = await Promise.all([send(), send(), send()]);
    const paid = await send();
    expect(paid).toMatchObject({ status: 201, body: { stage: 'paid' } });
    for (const { status, body } of answers)
      expect(status === 409 ? body.code : body.id).toBe(
        status === 409 ? 'idempotency_in_progress' : paid.body.id,
      );
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 4_000, held: 0 });
  });
});

describe('an order that cannot be paid at once', () => {
  test('for want of money waits for payment until its deadline, and its caller learns which order that is', async () => {
    const { sku, wallet, send } = await anOrder({ funds: 999 });
    const refused = await send();
    expect(refused).toMatchObject({ status: 422, body: { code: 'insufficient_funds' } });
    const id = String(refused.body.orderId);
    expect(refused.body.detail).toContain('Deposit money and pay again before');
    expect(await shop.stageOf(id)).toBe('awaiting_payment');
    expect(await shop.stockOf(sku)).toEqual(PROMISED);
    await shop.topUp(wallet, 1);
    // The answer under its key stays, and takes no money.
    expect(await send()).toMatchObject({ status: 422, body: refused.body });
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 1_000, held: 0 });
    expect(await shop.pay(id)).toMatchObject({ status: 200, body: { stage: 'paid' } });
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 0, held: 0 });
  });

  test('for want of money expires at its deadline', async () => {
    const { sku, send } = await anOrder({ funds: 0 });
    const id = String((await send()).body.orderId);
    await clock.forward(orderWorkflowId(id), WINDOW - 5_000);
    expect(await shop.stageOf(id)).toBe('awaiting_payment');
    await clock.forward(orderWorkflowId(id), 5_000);
    expect(await workflowOf(id).result()).toMatchObject({ stage: 'expired' });
    expect(await shop.stockOf(sku)).toMatchObject({ reserved: 0 });
  });

  test('because it is rejected takes no money, and says why it is rejected', async () => {
    const [sku, wallet] = await Promise.all([shop.sku(1), shop.wallet(5_000)]);
    const answer = await shop.order(wallet, [{ sku, quantity: 2 }], { pay: true });
    expect(answer).toMatchObject({ status: 409, body: { code: 'out_of_stock' } });
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
  });
});

describe('an order that is paid at once while', () => {
  test('its wallet is locked is paid once the wallet is free, and not answered before', async () => {
    const { wallet, send, untilKnown } = await anOrder();
    const unlock = await lockWallet(sql, wallet);
    const first = send();
    const id = await untilKnown();
    await untilEvents(client, orderWorkflowId(id), 'activityTaskScheduledEventAttributes', 1);
    expect(await shop.stageOf(id)).toBe('awaiting_payment');
    await unlock();
    expect([201, 503]).toContain((await first).status);
    // The placing of the order is what waits for the payment: nothing else was sent.
    expect(
      await countEvents(client, orderWorkflowId(id), 'workflowExecutionUpdateAcceptedEventAttributes'),
    ).toBe(1);
    expect(await answerOf(send)).toMatchObject({ status: 201, body: { id, stage: 'paid' } });
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 4_000, held: 0 });
  });

  test('its wallet is locked is refunded by a cancel that comes before the payment is made', async () => {
    const { wallet, sku, send, untilKnown } = await anOrder();
    const unlock = await lockWallet(sql, wallet);
    const placing = send();
    const id = await untilKnown();
    await untilEvents(client, orderWorkflowId(id), 'activityTaskScheduledEventAttributes', 1);
    const cancelling = shop.cancel(id);
    await untilEvents(client, orderWorkflowId(id), 'workflowExecutionUpdateAcceptedEventAttributes', 2);
    await unlock();
    expect(await cancelling).toMatchObject({ status: 200, body: { stage: 'refunded' } });
    await placing;
    expect(await send()).toMatchObject({ status: 201, body: { id } });
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
    expect(await shop.stockOf(sku)).toMatchObject({ onHand: 10, reserved: 0 });
  });

  test('its SKU is locked is cancelled by a cancel that comes before its reservation, and takes no money', async () => {
    const { wallet, sku, send, untilKnown } = await anOrder();
    const unlock = await lockSku(sql, sku);
    const placing = send();
    const id = await untilKnown();
    await untilEvents(client, orderWorkflowId(id), 'activityTaskScheduledEventAttributes', 1);
    expect(await shop.cancel(id)).toMatchObject({ status: 200, body: { stage: 'cancelled' } });
    await unlock();
    await placing;
    expect(await send()).toMatchObject({ status: 409, body: { code: 'order_cancelled', orderId: id } });
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
    expect([...(await readPayments(id))]).toEqual([]);
  });

  test('its reservation loses its answer is cancelled by a cancel, and its payment is not even tried', async () => {
    const { wallet, sku, send, untilKnown } = await anOrder();
    const plan = interrupt('reserve', wallet, always('commits but loses its answer'));
    const placing = send();
    const id = await untilKnown();
    await until('the fallback', async () => plan.happened() >= 2);
    expect(await shop.cancel(id)).toMatchObject({ status: 200, body: { stage: 'cancelled', version: 2 } });
    plan.stop();
    await placing;
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
    expect(await shop.stockOf(sku)).toMatchObject({ onHand: 10, reserved: 0 });
    expect(await sql`select from order_step where order_id = ${id} and step = 'pay'`).toHaveLength(0);
  });

  test('its workflow is terminated is paid by the retry of its request', async () => {
    const { wallet, send, untilKnown } = await anOrder();
    const unlock = await lockWallet(sql, wallet);
    const placing = send();
    const id = await untilKnown();
    await untilEvents(client, orderWorkflowId(id), 'activityTaskScheduledEventAttributes', 1);
    await workflowOf(id).terminate('test');
    await unlock();
    await placing;
    expect(await answerOf(send)).toMatchObject({ status: 201, body: { id, stage: 'paid' } });
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 4_000, held: 0 });
    expect(await readPayments(id)).toHaveLength(1);
  });
});

test('an order whose workflow does not know that it is to be paid at once is paid by its own id all the same', async () => {
  // As after reconciliation has started the workflow again.
  const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(5_000)]);
  const id = await shop.placed(wallet, sku, 2);
  const caller = { id: 'key:test', shop: 'main', roles: ['merchant'] } satisfies Caller;
  const pay = () => requirePayment({ temporal, database, caller, claims: database }, { id }, 0);
  expect(await Promise.all([pay(), pay()])).toMatchObject([{ stage: 'paid' }, { stage: 'paid' }]);
  await shop.refund(id, true);
  expect(await pay()).toMatchObject({ stage: 'refunded' });
  expect(await readPayments(id)).toEqual([{ kind: 'debit' }, { kind: 'refund' }]);
  expect(
    await sql`select from order_step where order_id = ${id} and step = 'pay' and command_id = ${id}`,
  ).toHaveLength(1);
});

describe.each(REAPPLY)('an order that was paid at once, when it is reset and %s', (reapply) => {
  test('is not paid again', async () => {
    const { wallet, send } = await anOrder();
    const id = idOf(expectStatus(await send(), 201));
    const [task] = await completedTasks(client, orderWorkflowId(id));
    if (!task) throw new Error('The order has no task.');
    await reset(client, task, reapply);
    expect(await workflowOf(id).result()).toEqual({ stage: 'paid', reason: null });
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 4_000, held: 0 });
    expect(await readPayments(id)).toHaveLength(1);
  });
});
