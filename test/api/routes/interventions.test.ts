/** What operators do about orders and payments in trouble by HTTP: it acts once, keeps every rule, and is in the audit. */
import { randomUUID } from 'node:crypto';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ApiClient } from '../../../api/client.ts';
import { orderWorkflowId, paymentWorkflowId } from '../../../domain/workflow-ids.ts';
import { expectRulesHold } from '../../support/database.ts';
import { failingSteps } from '../../support/failing-steps.ts';
import { untilEvents } from '../../support/history.ts';
import { lockOrders, lockSku, lockWallet } from '../../support/obstacles.ts';
import { startPayingSystem } from '../../support/paying-system.ts';
import { plantKey } from '../../support/planted-keys.ts';
import { reconciling } from '../../support/reconciling.ts';
import { REAPPLY, completedTasks, reset } from '../../support/resets.ts';
import { expectStatus, idOf } from '../../support/shop.ts';
import { seal } from '../../support/tampering.ts';
import { unansweredOrder } from '../../support/unanswered.ts';
import { until } from '../../support/until.ts';

const WINDOW = 900_000;
const UNKNOWN_AFTER = 60_000;
const system = await startPayingSystem({
  paymentWindow: WINDOW,
  attentionAfter: 100,
  unknownAfter: UNKNOWN_AFTER,
});
const { shop, sql, send, client, clock, database } = system;
const { failPayment, interventionsOf, marksOf, workflowOf, untilMarked } = failingSteps(system);
const { reconcile } = reconciling(system);
const keyText = await plantKey(sql, { roles: ['operator'] });
const operator = new ApiClient(send, { key: keyText });
const caller = `key:${keyText.split('_')[1] ?? ''}`;

afterEach(() => expectRulesHold(sql));

const BY = { actor: 'dana', reason: 'the wallet is repaired' };
const act = (orderId: string, what: object, key: string = randomUUID()) =>
  operator.post<Record<string, unknown>>(`/v1/orders/${orderId}/interventions`, { ...BY, ...what }, { key });
const refused = (status: number, code: string) => ({ status, body: { code } });
const extend = (orderId: string, extendBySeconds = 3_600, key?: string) =>
  act(orderId, { action: 'extend_deadline', extendBySeconds }, key);

async function readOrder(orderId: string) {
  return expectStatus(await shop.getOrder(orderId), 200).body;
}

async function place(more: object = {}) {
  const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(5_000)]);
  return { sku, wallet, id: await shop.placed(wallet, sku, 2, more) };
}

describe('retrying', () => {
  test('acts on what the mark names, once for each key, and the audit names the caller and the person', async () => {
    const { id, unlock, paying } = await failPayment();
    const key = randomUUID();
    const what = { action: 'retry_now' };
    const done = { status: 200, body: { action: 'retry_now', stage: 'paying', step: 'pay' } };
    expect(await act(id, what, key)).toMatchObject(done);
    expect(await act(id, what, key)).toMatchObject(done);
    await unlock();
    expect(await paying).toMatchObject({ status: 200 });
    await workflowOf(id).result();
    expect(await interventionsOf(id)).toMatchObject([{ action: 'retry_now', ...BY, step: 'pay' }]);
    await seal(database);
    const [change] = await sql`
      select actor, why, request_id is not null as "hasRequest", after ->> 'person' as person
      from audit where kind = 'intervention' and order_id = ${id}
    `;
    expect(change).toEqual({ actor: caller, why: BY.reason, hasRequest: true, person: 'dana' });
  });

  test('goes to the refund that fails, which is neither skipped nor given up', async () => {
    const { id, wallet } = await place();
    await shop.pay(id);
    const unlock = await lockWallet(sql, wallet);
    const refunding = shop.refund(id, false);
    await untilMarked(id);
    expect(await act(id, { action: 'retry_now' })).toMatchObject({
      status: 200,
      body: { stage: 'refunding', step: 'refund' },
    });
    const skipping = await act(id, { action: 'skip_step', step: 'refund' });
    expect(skipping).toMatchObject(refused(409, 'not_skippable'));
    expect(skipping.body['detail']).toContain('The buyer was promised the money');
    expect(await act(id, { action: 'give_up' })).toMatchObject(refused(409, 'order_not_open'));
    await unlock();
    expect(await refunding).toMatchObject({ status: 200, body: { stage: 'refunded' } });
  });

  test('is refused where nothing fails, and for a workflow of another order', async () => {
    const [{ id }, other] = [await place(), await place()];
    const what = { action: 'retry_now' };
    expect(await act(id, what)).toMatchObject(refused(409, 'nothing_failing'));
    const others = orderWorkflowId(other.id);
    expect(await act(id, { ...what, workflowId: others })).toMatchObject(refused(404, 'not_found'));
    await shop.cancel(id);
    expect(await act(id, what)).toMatchObject(refused(409, 'nothing_failing'));
    expect(await act(randomUUID(), what)).toMatchObject(refused(404, 'not_found'));
    expect(await interventionsOf(id)).toEqual([]);
    await shop.cancel(other.id);
  });
});

test('skipping takes the step that fails and no other, and the buyer pays again', async () => {
  const { id, unlock, paying } = await failPayment();
  expect(await act(id, { action: 'skip_step', step: 'release' })).toMatchObject(
    refused(409, 'not_skippable'),
  );
  const skipping = act(id, { action: 'skip_step', step: 'pay' });
  expect(await paying).toMatchObject(refused(409, 'order_not_payable'));
  expect(await skipping).toMatchObject({ status: 200, body: { stage: 'awaiting_payment', step: 'pay' } });
  await unlock();
  expect(await shop.pay(id)).toMatchObject({ status: 200, body: { stage: 'paid' } });
});

test('an order that is not recorded because its reservation fails is given up', async () => {
  const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(5_000)]);
  const unlock = await lockSku(sql, sku);
  const placing = shop.order(wallet, [{ sku, quantity: 2 }]);
  const id = await unansweredOrder(system);
  await until('a mark', async () => ((await marksOf(id)).length > 0 ? true : undefined));
  expect(await act(id, { action: 'give_up' })).toMatchObject({
    body: { stage: 'cancelled', step: 'reserve' },
  });
  expect(await placing).toMatchObject(refused(409, 'order_cancelled'));
  await unlock();
  await workflowOf(id).result();
  expect(await interventionsOf(id)).toMatchObject([{ action: 'give_up', step: 'reserve' }]);
});

test('an order that is given up was ended by the operator, as the audit has it', async () => {
  const { id, sku } = await place();
  expect(await act(id, { action: 'give_up' })).toMatchObject({ status: 200, body: { stage: 'cancelled' } });
  expect(await shop.stockOf(sku)).toEqual({ onHand: 10, reserved: 0, available: 10 });
  await workflowOf(id).result();
  await seal(database);
  const [change] = await sql`
    select actor, why, request_id is not null as "hasRequest"
    from audit where kind = 'order' and subject = ${id} order by seq desc limit 1
  `;
  expect(change).toEqual({ actor: caller, why: BY.reason, hasRequest: true });
});

describe('a deadline that is put off', () => {
  test("is the order's from then on: the window that it began with ends nothing, and the later one does", async () => {
    const { id, sku } = await place({ paymentMode: 'hold' });
    const before = Date.parse((await readOrder(id)).paymentDeadline);
    const later = new Date(before + 3_600_000).toISOString();
    const key = randomUUID();
    const done = {
      status: 200,
      body: { action: 'extend_deadline', stage: 'awaiting_payment', paymentDeadline: later },
    };
    expect(await extend(id, 3_600, key)).toMatchObject(done);
    expect(await extend(id, 3_600, key)).toMatchObject(done);
    expect(await readOrder(id)).toMatchObject({ paymentDeadline: later, deadlineExtended: false });
    await clock.forward(orderWorkflowId(id), WINDOW + 60_000);
    await untilEvents(client, orderWorkflowId(id), 'timerFiredEventAttributes', 1);
    expect(await readOrder(id)).toMatchObject({ stage: 'awaiting_payment', version: 2 });
    await clock.forward(orderWorkflowId(id), 3_600_000);
    expect(await workflowOf(id).result()).toMatchObject({ stage: 'expired' });
    expect(await shop.stockOf(sku)).toEqual({ onHand: 10, reserved: 0, available: 10 });
    expect(await extend(id)).toMatchObject(refused(409, 'order_not_open'));
    await seal(database);
    const changes = await sql<{ actor: string; why: string }[]>`
      select actor, why from audit where kind = 'order' and subject = ${id} order by seq offset 1 limit 1
    `;
    expect([...changes]).toEqual([{ actor: caller, why: BY.reason }]);
  });

  test('may be put off again, to 7 days ahead and no further, and the order is paid in the end', async () => {
    const { id } = await place();
    expect(await extend(id)).toMatchObject({ status: 200 });
    expect(await extend(id)).toMatchObject({ status: 200 });
    expect(await extend(id, 7 * 86_400)).toMatchObject(refused(409, 'deadline_not_extendable'));
    expect(await extend(id, 7 * 86_400 + 1)).toMatchObject(refused(400, 'validation_failed'));
    await clock.forward(orderWorkflowId(id), WINDOW + 3_600_000);
    expect(await shop.pay(id)).toMatchObject({ status: 200, body: { stage: 'paid' } });
    await workflowOf(id).result();
    expect(await interventionsOf(id)).toHaveLength(2);
  });

  test('counts when it was asked for in time, although the deadline passes while it cannot be recorded', async () => {
    const { id } = await place();
    await clock.forward(orderWorkflowId(id), WINDOW - 5_000);
    const unlock = await lockOrders(sql, [id]);
    const extending = extend(id);
    // That of the attention mark, and that of the window.
    await untilEvents(client, orderWorkflowId(id), 'timerFiredEventAttributes', 2);
    await unlock();
    expect(await extending).toMatchObject({ status: 200 });
    expect(await shop.pay(id)).toMatchObject({ status: 200, body: { stage: 'paid' } });
  });

  test.each(REAPPLY)('is kept although the workflow %s after a reset to before it', async (reapply) => {
    const { id } = await place();
    await extend(id);
    // The first task reserved the order, whose answer has the recorded deadline. The second took the later one.
    const [, task] = await completedTasks(client, orderWorkflowId(id));
    if (!task) throw new Error('The order has no such task.');
    const { paymentDeadline } = await readOrder(id);
    await reset(client, task, reapply);
    await clock.forward(orderWorkflowId(id), WINDOW + 1_000);
    await until(
      'the end of the first window',
      async () => (await workflowOf(id).query<{ deadline: string }>('order')).deadline === paymentDeadline,
    );
    expect(await readOrder(id)).toMatchObject({ stage: 'awaiting_payment', paymentDeadline });
    await clock.forward(orderWorkflowId(id), 3_600_000);
    expect(await workflowOf(id).result()).toMatchObject({ stage: 'expired' });
  });

  test('is kept although the workflow is terminated', async () => {
    const { id } = await place();
    await extend(id);
    const { paymentDeadline } = await readOrder(id);
    await workflowOf(id).terminate('by mistake');
    expect(await extend(id)).toMatchObject(refused(503, 'unavailable'));
    await reconcile();
    await clock.forward(orderWorkflowId(id), WINDOW + 1_000);
    expect(await readOrder(id)).toMatchObject({ stage: 'awaiting_payment', paymentDeadline });
    expect(await shop.pay(id)).toMatchObject({ status: 200, body: { stage: 'paid' } });
  });

  test('is refused while a payment is being taken, and once the order is being cancelled', async () => {
    const { id, unlock, paying } = await failPayment();
    expect(await extend(id)).toMatchObject(refused(409, 'deadline_not_extendable'));
    const cancelling = shop.cancel(id);
    await untilEvents(client, orderWorkflowId(id), 'workflowExecutionUpdateAcceptedEventAttributes', 3);
    expect(await extend(id)).toMatchObject(refused(409, 'order_not_open'));
    await unlock();
    expect(await paying).toMatchObject({ status: 200 });
    expect(await cancelling).toMatchObject({ status: 200, body: { stage: 'refunded' } });
  });
});

describe('a payment that stays unknown', () => {
  let orderId = '';
  let payment = '';
  beforeAll(async () => {
    const { id } = await place();
    orderId = id;
    const body = { method: 'provider', source: 'pending-forever' };
    payment = idOf(await shop.post(`/v1/orders/${id}/payments`, body));
    await clock.forward(paymentWorkflowId(payment), 2 * UNKNOWN_AFTER);
    await untilMarked(id);
  });
  const resolve = (outcome: string, key: string = randomUUID()) =>
    operator.post(`/v1/payments/${payment}/resolve`, { ...BY, outcome }, { key });

  test('is asked about again at once, resolved once by an operator who knows, and not a second time', async () => {
    expect(await act(orderId, { action: 'retry_now' })).toMatchObject({
      status: 200,
      body: { stage: 'paying' },
    });
    expect(await resolve('to_wallet')).toMatchObject(refused(409, 'payment_not_unknown'));
    const key = randomUUID();
    const declined = { status: 200, body: { id: payment, state: 'declined', reason: BY.reason } };
    expect(await resolve('declined', key)).toMatchObject(declined);
    expect(await resolve('declined', key)).toMatchObject(declined);
    expect(await resolve('captured')).toMatchObject(refused(409, 'payment_not_unknown'));
    expect(await interventionsOf(orderId)).toMatchObject([
      { action: 'retry_now' },
      { action: 'resolve_payment', ...BY },
    ]);
    expect(await shop.pay(orderId)).toMatchObject({ status: 200, body: { stage: 'paid' } });
  });
});
