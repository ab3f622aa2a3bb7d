/** A refund that does not fit into its wallet waits where people can see it, and is made as soon as there is room. */
import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { createActivities } from '../../activities/order.ts';
import { orderWorkflowsOf } from '../../client/inspection.ts';
import { WALLET_FULL } from '../../domain/attention.ts';
import { orderWorkflowId } from '../../domain/workflow-ids.ts';
import { giveUpUpdate, orderQuery, refundQuery, retryNowUpdate } from '../../workflows/messages.ts';
import { breachesOfWorkflows, expectRulesHold } from '../support/database.ts';
import { countEvents, untilEvents } from '../support/history.ts';
import { plant } from '../support/planted.ts';
import { completedTasks, reset } from '../support/resets.ts';
import { listRefundWorkflows, refundHandleOf, refundWorkflowOf } from '../support/refunds.ts';
import { refundOf } from '../support/step-requests.ts';
import { startSystem } from '../support/system.ts';
import { fillWallet, lockWallet, refuseRefund } from '../support/obstacles.ts';
import { until } from '../support/until.ts';

const system = await startSystem();
const { shop, client, sql, database, taskQueue } = system;

afterEach(() => expectRulesHold(sql));

const BY = { actor: 'dana', reason: 'the buyer has spent' };
const PENDING = { status: 409, body: { code: 'refund_pending' } };
const workflowOf = (workflowId: string) => client.workflow.getHandle(workflowId);
const attentionOf = async (id: string) => (await shop.get(`/v1/orders/${id}`)).body['attention'];
const untilUnmarked = (id: string) =>
  until('the mark to clear', async () => (await attentionOf(id)) === undefined);

/** A paid order of 2 units at 500 out of 10, whose wallet has been filled since. */
async function paidFromFullWallet() {
  const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(1_000)]);
  const id = await shop.placed(wallet, sku, 2);
  expect(await shop.pay(id)).toMatchObject({ status: 200 });
  await fillWallet(sql, wallet);
  return { id, sku, wallet };
}

/** The buyer pays another order of exactly the refund's amount. */
async function makeRoom(wallet: string): Promise<void> {
  const other = await shop.placed(wallet, await shop.sku(2), 2);
  expect(await shop.pay(other)).toMatchObject({ status: 200 });
}

test('a refund into a full wallet is answered at once, marked, and made without further help once there is room', async () => {
  const { id, sku, wallet } = await paidFromFullWallet();
  const key = randomUUID();
  const answer = await shop.refund(id, true, { key });
  expect(answer).toMatchObject(PENDING);
  expect(answer.headers.get('retry-after')).not.toBeNull();
  expect(await attentionOf(id)).toMatchObject({ reason: WALLET_FULL, step: 'refund' });
  expect(await (await refundHandleOf(system, id)).query(refundQuery)).toMatchObject({
    failing: 'refund',
    attention: { reason: WALLET_FULL },
  });
  const metadata = await (await refundHandleOf(system, id)).query('__temporal_workflow_metadata');
  expect(JSON.stringify(metadata)).toContain('the wallet is at its limit');
  expect(await shop.stageOf(id)).toBe('paid');
  expect(await shop.stockOf(sku)).toMatchObject({ onHand: 8 });

  await makeRoom(wallet);
  await (await refundHandleOf(system, id)).result();
  expect(await shop.refund(id, true, { key })).toMatchObject({ status: 200, body: { stage: 'refunded' } });
  expect(await shop.balanceOf(wallet)).toEqual({ posted: Number.MAX_SAFE_INTEGER, held: 0 });
  expect(await shop.stockOf(sku)).toMatchObject({ onHand: 10 });
  await untilUnmarked(id);
});

test('a refund that waits for room is made at once when an operator retries it', async () => {
  const { id, wallet } = await paidFromFullWallet();
  expect(await shop.refund(id, false)).toMatchObject(PENDING);
  // The first pauses are short.
  await until('a long pause before the next try', async () => {
    const { raw } = await (await refundHandleOf(system, id)).describe();
    return raw.pendingActivities?.some(({ attempt }) => (attempt ?? 0) >= 3);
  });
  await makeRoom(wallet);
  await (await refundHandleOf(system, id)).executeUpdate(retryNowUpdate, { args: [BY] });
  await (await refundHandleOf(system, id)).result();
  expect(await shop.stageOf(id)).toBe('refunded');
});

test('a waiting refund can be requested any number of times without growing its history', async () => {
  const { id, wallet } = await paidFromFullWallet();
  const key = randomUUID();
  expect(await shop.refund(id, true, { key })).toMatchObject(PENDING);
  const events = await countEvents(client, await refundWorkflowOf(system, id));
  for (let count = 0; count < 30; count += 1)
    expect(await shop.refund(id, true, { key })).toMatchObject(PENDING);
  await until('another try', async () => {
    const { raw } = await (await refundHandleOf(system, id)).describe();
    return raw.pendingActivities?.some(({ attempt }) => (attempt ?? 0) >= 2);
  });
  // The note of the mark itself may have ended since.
  expect(await countEvents(client, await refundWorkflowOf(system, id))).toBeLessThanOrEqual(events + 6);
  await makeRoom(wallet);
  await (await refundHandleOf(system, id)).result();
});

test('of two callers whose refunds wait, one is answered with the refund and the other is refused', async () => {
  const { id, wallet } = await paidFromFullWallet();
  const [first, second] = [randomUUID(), randomUUID()];
  expect(await shop.refund(id, true, { key: first })).toMatchObject(PENDING);
  expect(await shop.cancel(id, 'me too', { key: second })).toMatchObject(PENDING);
  await makeRoom(wallet);
  const refunds = await listRefundWorkflows(system, id);
  expect(refunds).toHaveLength(2);
  await Promise.allSettled(refunds.map((refund) => workflowOf(refund).result()));
  const [refunded, cancelled] = [
    await shop.refund(id, true, { key: first }),
    await shop.cancel(id, 'me too', { key: second }),
  ];
  const refused =
    refunded.status === 200
      ? { answer: cancelled, code: 'order_not_cancellable' }
      : { answer: refunded, code: 'order_not_refundable' };
  expect(new Set([refunded.status, cancelled.status])).toEqual(new Set([200, 409]));
  expect(refused.answer.body['code']).toBe(refused.code);
});

describe('when the wallet is full by the time that a payment is refunded because the order', () => {
  /** An order whose payment waits for its wallet, and which cannot be refunded until it is let go. */
  async function payingUntilLetGo() {
    const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(1_000)]);
    const id = await shop.placed(wallet, sku, 2);
    const allowRefund = await refuseRefund(sql, id);
    const unlock = await lockWallet(sql, wallet);
    const paying = shop.pay(id);
    await untilEvents(client, orderWorkflowId(id), 'activityTaskScheduledEventAttributes', 1);
    const letGo = async () => {
      await untilEvents(client, orderWorkflowId(id), 'workflowExecutionUpdateAcceptedEventAttributes', 3);
      await unlock();
      expect(await paying).toMatchObject({ status: 200 });
      await fillWallet(sql, wallet);
      await allowRefund();
    };
    return { id, sku, wallet, letGo };
  }

  test('was cancelled, the cancel is answered at once and carried out once there is room', async () => {
    const { id, sku, wallet, letGo } = await payingUntilLetGo();
    const key = randomUUID();
    const cancelling = shop.cancel(id, 'changed my mind', { key });
    await letGo();
    expect(await cancelling).toMatchObject(PENDING);
    expect(await attentionOf(id)).toMatchObject({ reason: WALLET_FULL, step: 'refund' });
    expect(await workflowOf(orderWorkflowId(id)).query(orderQuery)).toMatchObject({ stage: 'refunding' });
    expect(await shop.cancel(id, 'changed my mind', { key })).toMatchObject(PENDING);
    // It has run for long, and that raises no alarm.
    await plant(sql, (to) => to`update orders set updated_at = now() - interval '1 day' where id = ${id}`);
    const listRunning = async () => ({ orders: [{ orderId: id, startedAt: new Date(0) }], next: null });
    const workflows = { ...orderWorkflowsOf(client, taskQueue), listRunning };
    expect(await breachesOfWorkflows(database, workflows)).toEqual([]);
    // There is nothing left to cancel for another caller.
    expect(await shop.cancel(id)).toMatchObject(PENDING);

    await makeRoom(wallet);
    await workflowOf(orderWorkflowId(id)).result();
    expect(await shop.cancel(id, 'changed my mind', { key })).toMatchObject({
      status: 200,
      body: { stage: 'refunded', reason: 'changed my mind' },
    });
    expect(await shop.stockOf(sku)).toMatchObject({ onHand: 10, reserved: 0 });
    await untilUnmarked(id);
  });

  test('was cancelled, and its workflow is reset while the refund waits, the refund is made once', async () => {
    const { id, wallet, letGo } = await payingUntilLetGo();
    const key = randomUUID();
    const cancelling = shop.cancel(id, 'changed my mind', { key });
    await letGo();
    expect(await cancelling).toMatchObject(PENDING);
    const task = (await completedTasks(client, orderWorkflowId(id))).at(-1);
    if (!task) throw new Error('The order has no task.');
    await reset(client, task, 'is sent its commands again');
    await makeRoom(wallet);
    expect(await workflowOf(orderWorkflowId(id)).result()).toMatchObject({ stage: 'refunded' });
    expect(await shop.cancel(id, 'changed my mind', { key })).toMatchObject({
      status: 200,
      body: { stage: 'refunded' },
    });
    expect(await shop.balanceOf(wallet)).toEqual({ posted: Number.MAX_SAFE_INTEGER, held: 0 });
  });

  test('was given up, the operator is answered at once', async () => {
    const { id, wallet, letGo } = await payingUntilLetGo();
    const givingUp = workflowOf(orderWorkflowId(id)).executeUpdate(giveUpUpdate, { args: [BY] });
    await letGo();
    expect(await givingUp).toMatchObject({ stage: 'refunding' });
    await makeRoom(wallet);
    expect(await workflowOf(orderWorkflowId(id)).result()).toMatchObject({ stage: 'refunded' });
  });
});

test('a refund whose reason is the name of the attention mark is made once, and does not wait', async () => {
  const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(1_000)]);
  const id = await shop.placed(wallet, sku, 2);
  await shop.pay(id);
  const answer = await shop.post(`/v1/orders/${id}/refund`, { reason: WALLET_FULL, restock: true });
  expect(answer).toMatchObject({ status: 200, body: { stage: 'refunded', reason: WALLET_FULL } });
  expect(await (await refundHandleOf(system, id)).result()).toMatchObject({ stage: 'refunded' });
});

test('a refund may fill its wallet to the very limit, and one that would exceed the limit records nothing', async () => {
  const { id, wallet } = await paidFromFullWallet();
  const { refund } = createActivities(database);
  const request = { ...refundOf(id, false), mayWait: true };
  expect(await refund(request)).toEqual({ stage: 'paid', reason: null, refusal: WALLET_FULL });
  await expect(refund(refundOf(id, false))).rejects.toThrow('does not fit into its wallet');
  expect(await sql`select from order_step where order_id = ${id} and step = 'refund'`).toHaveLength(0);
  await makeRoom(wallet);
  expect(await refund(request)).toEqual({ stage: 'refunded', reason: request.reason, refusal: null });
  expect(await shop.balanceOf(wallet)).toEqual({ posted: Number.MAX_SAFE_INTEGER, held: 0 });
});
