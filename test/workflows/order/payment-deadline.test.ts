/** A payment is judged by the time it arrives, whatever else is under way. */
import { randomUUID } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { afterEach, describe, expect, test } from 'vitest';
import { createActivities } from '../../../activities/order.ts';
import { refusePayment } from '../../../db/steps/skip-payment.ts';
import { orderWorkflowId } from '../../../domain/workflow-ids.ts';
import {
  ORDER_RULES,
  WORKFLOW,
  orderQuery,
  skipStepUpdate,
  type OrderEnd,
  type OrderInput,
} from '../../../workflows/messages.ts';
import { expectRulesHold } from '../../support/database.ts';
import { untilEvents } from '../../support/history.ts';
import { always, interruptions } from '../../support/interruptions.ts';
import { plantIdempotencyKey } from '../../support/planted.ts';
import { anOrder } from '../../support/step-requests.ts';
import { startSystem } from '../../support/system.ts';
import { lockWallet } from '../../support/obstacles.ts';
import { until } from '../../support/until.ts';

const WINDOW = 900_000;
const { between, interrupt } = interruptions();
const system = await startSystem({ paymentWindow: WINDOW, workerDatabase: between });
const { shop, client, clock, sql, database, taskQueue } = system;

afterEach(() => expectRulesHold(sql));

const EXPIRED = { status: 409, body: { code: 'order_expired' } };
const workflowOf = (id: string) => client.workflow.getHandle(orderWorkflowId(id));
const untilDeadline = (id: string) =>
  untilEvents(client, orderWorkflowId(id), 'timerFiredEventAttributes', 1);
const acceptedBy = (id: string, updates: number) =>
  untilEvents(client, orderWorkflowId(id), 'workflowExecutionUpdateAcceptedEventAttributes', updates);

/** An order of 2 units at 500. */
async function placeOrder({ funds = 5_000, paymentMode = 'debit' } = {}) {
  const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(funds)]);
  const id = await shop.placed(wallet, sku, 2, { paymentMode });
  return { sku, wallet, id };
}

describe('while another payment of its order waits for the wallet, a payment that arrives', () => {
  /** The other payment is under way, and the deadline some seconds ahead. */
  async function payingNearDeadline(funds: number) {
    const { wallet, id } = await placeOrder({ funds });
    await clock.forward(orderWorkflowId(id), WINDOW - 4_000);
    const unlock = await lockWallet(sql, wallet);
    const paying = shop.pay(id);
    await acceptedBy(id, 2);
    return { wallet, id, unlock, paying };
  }

  test('before the deadline is taken in its turn, even if its turn comes after the deadline', async () => {
    const { id, unlock, paying } = await payingNearDeadline(5_000);
    const second = shop.pay(id);
    await acceptedBy(id, 3);
    await untilDeadline(id);
    const by = { actor: 'dana', reason: 'it keeps failing', step: 'pay' } as const;
    await workflowOf(id).executeUpdate(skipStepUpdate, { args: [by] });
    await unlock();
    expect(await paying).toMatchObject({ status: 409, body: { code: 'order_not_payable' } });
    expect(await second).toMatchObject({ status: 200, body: { stage: 'paid' } });
  });

  test('after the deadline is refused at once and for good, even if the first payment is refused and the wallet has been topped up', async () => {
    const { wallet, id, unlock, paying } = await payingNearDeadline(0);
    await untilDeadline(id);
    const key = randomUUID();
    expect(await shop.pay(id, { key })).toMatchObject(EXPIRED);
    expect(await shop.stageOf(id)).toBe('awaiting_payment');
    await unlock();
    expect(await paying).toMatchObject({ status: 422, body: { code: 'insufficient_funds' } });
    await shop.topUp(wallet, 5_000);
    expect(await workflowOf(id).result()).toMatchObject({ stage: 'expired' });
    const again = await shop.pay(id, { key });
    expect(again).toMatchObject(EXPIRED);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
  });

  test('after the deadline is refused, even if the first payment succeeds', async () => {
    const { id, unlock, paying } = await payingNearDeadline(5_000);
    await untilDeadline(id);
    expect(await shop.pay(id)).toMatchObject(EXPIRED);
    await unlock();
    expect(await paying).toMatchObject({ status: 200, body: { stage: 'paid' } });
  });
});

test('while its order gives back what it held, a payment is refused at once and for good', async () => {
  const { wallet, id } = await placeOrder({ paymentMode: 'hold' });
  const unlock = await lockWallet(sql, wallet);
  await clock.forward(orderWorkflowId(id), WINDOW);
  await untilEvents(client, orderWorkflowId(id), 'activityTaskScheduledEventAttributes', 1);
  expect(await shop.pay(id)).toMatchObject(EXPIRED);
  expect(await shop.stageOf(id)).toBe('awaiting_payment');
  await unlock();
  expect(await workflowOf(id).result()).toMatchObject({ stage: 'expired' });
  expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
});

test('an attempt at a payment that a dead worker left behind takes no money once the payment was refused as too late', async () => {
  const { wallet, id } = await placeOrder({ paymentMode: 'hold' });
  const unlock = await lockWallet(sql, wallet);
  await clock.forward(orderWorkflowId(id), WINDOW);
  await untilEvents(client, orderWorkflowId(id), 'activityTaskScheduledEventAttributes', 1);
  const key = randomUUID();
  expect(await shop.pay(id, { key })).toMatchObject(EXPIRED);
  const [row] = await sql<{ commandId: string }[]>`
    select command_id as "commandId" from idempotency_key where operation = 'payOrder' and key = ${key}
  `;
  if (!row) throw new Error('The payment has no id.');
  const stopRelease = interrupt('release', id, always('fails before it is sent'));
  await unlock();
  const late = { orderId: id, commandId: row.commandId, at: new Date().toISOString() };
  expect(await createActivities(database).pay(late)).toMatchObject({ refusal: 'order_expired' });
  stopRelease.stop();
  expect(await workflowOf(id).result()).toMatchObject({ stage: 'expired' });
});

test.each([
  ['counts as made when its transaction commits', 'commit', null],
  ['is refused when its transaction is undone', 'undo', 'order_expired'],
])('a payment that is being made at the moment it is refused %s', async (_what, end, outcome) => {
  const { id: orderId } = await placeOrder();
  const commandId = uuidv7();
  const undone = new Error('undone');
  const begun = Promise.withResolvers<void>();
  const ending = Promise.withResolvers<void>();
  const making = sql
    .begin(async (held) => {
      await held`
        insert into order_step (order_id, step, command_id, stage) values (${orderId}, 'pay', ${commandId}, 'paid')
      `;
      begun.resolve();
      await ending.promise;
      if (end === 'undo') throw undone;
    })
    .catch((error: unknown) => {
      if (error !== undone) throw error;
    });
  await begun.promise;
  const refusing = refusePayment(database, { orderId, commandId }, 'order_expired');
  await until('the refusal to wait', async () => {
    const waiting = await sql`select from pg_locks where not granted`;
    return waiting.length > 0 ? true : undefined;
  });
  ending.resolve();
  await making;
  expect(await refusing).toBe(outcome);
});

describe('while its order is being reserved, a payment that arrives', () => {
  /** An order whose reservation fails until the plan is stopped. */
  async function startReserving(input: Partial<OrderInput>, recordedDeadline?: string) {
    const [sku, walletId] = await Promise.all([shop.sku(10), shop.wallet(5_000)]);
    const orderId = uuidv7();
    const order = anOrder({ orderId, walletId, lines: [{ sku, quantity: 2 }] });
    if (recordedDeadline !== undefined)
      await createActivities(database).reserve({ ...order, paymentDeadline: recordedDeadline });
    // Until the order is recorded, only the key of its call says who placed it.
    const [caller] = await sql<{ id: string }[]>`select 'key:' || id as id from api_key where is_development`;
    await plantIdempotencyKey(sql, { caller: caller?.id ?? '', commandId: orderId, status: null });
    const plan = interrupt('reserve', walletId, always('fails before it is sent'));
    const { buyerId, lines, paymentMode } = order;
    await client.workflow.start<(input: OrderInput) => Promise<OrderEnd>>(WORKFLOW.order, {
      workflowId: orderWorkflowId(orderId),
      taskQueue,
      args: [
        {
          orderId,
          buyerId,
          walletId,
          lines: [...lines],
          paymentMode,
          paymentWindow: WINDOW,
          rules: ORDER_RULES,
          ...input,
        },
      ],
    });
    await untilEvents(client, orderWorkflowId(orderId), 'activityTaskScheduledEventAttributes', 1);
    return { id: orderId, walletId, plan };
  }
  const fromNow = (milliseconds: number) => new Date(Date.now() + milliseconds).toISOString();

  test('before the deadline is taken once the order is reserved', async () => {
    const { id, plan } = await startReserving({ deadline: fromNow(600_000) });
    const paying = shop.pay(id);
    await acceptedBy(id, 1);
    plan.stop();
    expect(await paying).toMatchObject({ status: 200, body: { stage: 'paid' } });
  });

  test('after the deadline is refused', async () => {
    const { id, walletId, plan } = await startReserving({ deadline: fromNow(-1) });
    expect(await shop.pay(id)).toMatchObject(EXPIRED);
    plan.stop();
    expect(await workflowOf(id).result()).toMatchObject({ stage: 'expired' });
    expect(await shop.pay(id)).toMatchObject(EXPIRED);
    expect(await shop.balanceOf(walletId)).toEqual({ posted: 5_000, held: 0 });
  });

  test('after the recorded deadline is refused, even if its workflow knew only a later deadline by then', async () => {
    const recorded = fromNow(-1_000);
    const { id, walletId, plan } = await startReserving({}, recorded);
    expect(Date.parse((await workflowOf(id).query(orderQuery)).deadline)).toBeGreaterThan(Date.now());
    const paying = shop.pay(id);
    await acceptedBy(id, 1);
    plan.stop();
    expect(await paying).toMatchObject(EXPIRED);
    await until('the order to be closed', async () =>
      (await shop.stageOf(id)) === 'expired' ? true : undefined,
    );
    expect((await workflowOf(id).query(orderQuery)).deadline).toBe(recorded);
    expect(await shop.balanceOf(walletId)).toEqual({ posted: 5_000, held: 0 });
  });
});
