/** An order goes on after its workflow was terminated, and a refund after the backup that lacks it was restored. */
import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { createActivities } from '../../activities/order.ts';
import { orderWorkflowId } from '../../domain/workflow-ids.ts';
import { WORKFLOW, orderQuery, type OrderEnd, type OrderInput } from '../../workflows/messages.ts';
import { expectRulesHold } from '../support/database.ts';
import { untilEvents } from '../support/history.ts';
import { plant } from '../support/planted.ts';
import { refundHandleOf } from '../support/refunds.ts';
import { reconciling } from '../support/reconciling.ts';
import type { Answer } from '../support/answer.ts';
import { anOrder } from '../support/step-requests.ts';
import { startSystem } from '../support/system.ts';
import { lockOrders, lockSku, lockWallet } from '../support/obstacles.ts';
import { unansweredOrder } from '../support/unanswered.ts';
import { until } from '../support/until.ts';

const WINDOW = 900_000;
const system = await startSystem({ paymentWindow: WINDOW });
const { shop, client, clock, sql, database, taskQueue, startWorker, stopWorker } = system;
const { workflowOf, reconcile, findingsAbout, placed } = reconciling(system);

describe('an open order whose workflow was terminated', () => {
  test('goes on with the deadline the caller was given, and can be paid', async () => {
    const { id, wallet } = await placed();
    const { deadline } = await workflowOf(id).query(orderQuery);
    await workflowOf(id).terminate('by mistake');
    expect(await reconcile()).toMatchObject({ found: 1, repaired: 1 });
    expect((await workflowOf(id).query(orderQuery)).deadline).toBe(deadline);
    expect(await findingsAbout(id)).toMatchObject([
      { kind: 'workflow_missing', state: 'repaired', repair: { before: { workflow: 'none' } } },
    ]);
    expect(await shop.pay(id)).toMatchObject({ status: 200, body: { stage: 'paid' } });
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 4_000, held: 0 });
    await expectRulesHold(sql);
  });

  test('expires at its original deadline when nobody pays', async () => {
    const { id, sku } = await placed({ paymentMode: 'hold' });
    await clock.forward(orderWorkflowId(id), 60_000);
    await workflowOf(id).terminate('by mistake');
    await reconcile();
    await clock.forward(orderWorkflowId(id), WINDOW - 30_000);
    expect(await shop.stageOf(id)).toBe('awaiting_payment');
    await clock.forward(orderWorkflowId(id), 30_000);
    expect(await workflowOf(id).result()).toMatchObject({ stage: 'expired' });
    expect(await shop.stockOf(sku)).toEqual({ onHand: 10, reserved: 0, available: 10 });
    await expectRulesHold(sql);
  });

  test('can be paid after a refused payment: the next payment does not get the answer of the first', async () => {
    const { id, wallet } = await placed({ funds: 10 });
    expect(await shop.pay(id)).toMatchObject({ status: 422 });
    await workflowOf(id).terminate('by mistake');
    await reconcile();
    await shop.topUp(wallet, 5_000);
    expect(await shop.pay(id)).toMatchObject({ status: 200, body: { stage: 'paid' } });
  });

  test('expires at once when its deadline has passed in the meantime', async () => {
    const { id } = await placed();
    await workflowOf(id).terminate('by mistake');
    await plant(
      sql,
      (to) => to`update orders set payment_deadline = now() - interval '1 hour' where id = ${id}`,
    );
    // Otherwise it may have expired before the same run looks for orders that are overdue.
    const unlock = await lockOrders(sql, [id]);
    await reconcile();
    await unlock();
    expect(await workflowOf(id).result()).toMatchObject({ stage: 'expired' });
    expect(new Set((await findingsAbout(id)).map(({ kind }) => kind))).toEqual(
      new Set(['workflow_missing', 'order_overdue']),
    );
  });
});

test('a refund whose workflow was terminated is carried out when it is requested again', async () => {
  const { id, wallet } = await placed();
  await shop.pay(id);
  const unlock = await lockWallet(sql, wallet);
  const key = randomUUID();
  const refunding = shop.refund(id, true, { key });
  const refund = await refundHandleOf(system, id);
  await untilEvents(client, refund.workflowId, 'activityTaskScheduledEventAttributes', 1);
  await refund.terminate('by mistake');
  await unlock();
  await refunding;
  expect(await shop.refund(id, true, { key })).toMatchObject({ status: 200, body: { stage: 'refunded' } });
  expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
});

test('a refund that was lost with the database that recorded it is carried out when it is requested again', async () => {
  const { id, wallet } = await placed();
  await shop.pay(id);
  const key = randomUUID();
  expect(await shop.refund(id, false, { key })).toMatchObject({ status: 200 });
  // As if a backup from before it had been restored.
  await plant(sql, async (to) => {
    for (const table of ['order_event', 'stat_pending'])
      await to`delete from ${sql(table)} where order_id = ${id} and version = 3`;
    await to`delete from order_step where order_id = ${id} and step = 'refund'`;
    await to`delete from refund_line where order_id = ${id}`;
    await to`delete from refund where order_id = ${id}`;
    await to`update order_line set refunded = 0, refunded_amount = 0 where order_id = ${id}`;
    await to`delete from entry using transfer where transfer_id = transfer.id and order_id = ${id} and kind = 'refund'`;
    await to`delete from transfer where order_id = ${id} and kind = 'refund'`;
    await to`update orders set stage = 'paid', version = 2, reason = null, refunded = 0 where id = ${id}`;
    await to`update wallet set posted = posted - 1000 where id = ${wallet}`;
    await to`delete from idempotency_key where key = ${key}`;
  });
  await expectRulesHold(sql);
  expect(await shop.refund(id, false, { key })).toMatchObject({ status: 200, body: { stage: 'refunded' } });
  expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
  expect(await shop.refund(id, false)).toMatchObject({ status: 409 });
});

/** A deadline that no workflow which starts now would choose. */
const TOLD = { paymentDeadline: new Date(Date.now() + 100_000).toISOString() };

describe('an order whose workflow was terminated before it was answered is placed when it is requested again,', () => {
  async function asked() {
    const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(5_000)]);
    const key = randomUUID();
    return { sku, wallet, ask: () => shop.order(wallet, [{ sku, quantity: 2 }], {}, { key }) };
  }
  async function expectPlaced(id: string, sku: string, ask: () => Promise<Answer>) {
    expect(await ask()).toMatchObject({ status: 201, body: { id } });
    expect(await ask()).toMatchObject({ status: 201, body: { id } });
    expect(await shop.pay(id)).toMatchObject({ status: 200, body: { stage: 'paid' } });
    expect(await shop.stockOf(sku)).toEqual({ onHand: 8, reserved: 0, available: 8 });
    await expectRulesHold(sql);
  }

  test('even if no worker had begun it', async () => {
    const { sku, ask } = await asked();
    await stopWorker();
    const asking = ask();
    const id = await unansweredOrder({ sql, client });
    await workflowOf(id).terminate('by mistake');
    await startWorker();
    await asking;
    await expectPlaced(id, sku, ask);
  });

  test('even if its reservation was still under way', async () => {
    const { sku, ask } = await asked();
    const unlock = await lockSku(sql, sku);
    const asking = ask();
    const id = await unansweredOrder({ sql, client });
    await workflowOf(id).terminate('by mistake');
    await unlock();
    await asking;
    await expectPlaced(id, sku, ask);
  });

  test('even if it was already reserved, and keeps the recorded deadline', async () => {
    const { sku, wallet, ask } = await asked();
    await stopWorker();
    const asking = ask();
    const id = await unansweredOrder({ sql, client });
    await workflowOf(id).terminate('by mistake');
    const late = anOrder({ orderId: id, walletId: wallet, lines: [{ sku, quantity: 2 }], ...TOLD });
    await createActivities(database).reserve(late);
    await startWorker();
    await asking;
    await ask();
    expect((await workflowOf(id).query(orderQuery)).deadline).toBe(TOLD.paymentDeadline);
    await expectPlaced(id, sku, ask);
  });
});

test('a workflow that finds its order reserved goes on with the recorded deadline', async () => {
  const [sku, walletId] = await Promise.all([shop.sku(10), shop.wallet(5_000)]);
  const order = anOrder({ walletId, lines: [{ sku, quantity: 2 }], ...TOLD });
  await createActivities(database).reserve(order);
  const { orderId, buyerId, lines, paymentMode } = order;
  const input = { orderId, buyerId, walletId, lines: [...lines], paymentMode, paymentWindow: WINDOW };
  await client.workflow.start<(input: OrderInput) => Promise<OrderEnd>>(WORKFLOW.order, {
    workflowId: orderWorkflowId(orderId),
    taskQueue,
    args: [input],
  });
  await until(
    'the order to wait',
    async () => (await workflowOf(orderId).query(orderQuery)).stage === 'awaiting_payment',
  );
  expect((await workflowOf(orderId).query(orderQuery)).deadline).toBe(TOLD.paymentDeadline);
  await clock.forward(orderWorkflowId(orderId), 120_000);
  expect(await workflowOf(orderId).result()).toMatchObject({ stage: 'expired' });
});
