/** Only the caller whose command took effect gets that answer, whatever a new run of the workflow knows. */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import { createActivities } from '../../../activities/order.ts';
import { cancelOrder } from '../../../api/orders/cancel.ts';
import type { Caller } from '../../../domain/access.ts';
import { MAIN_SHOP } from '../../../domain/shops.ts';
import { openOrderClient } from '../../../client/orders.ts';
import { orderWorkflowId, refundWorkflowId } from '../../../domain/workflow-ids.ts';
import { WORKFLOW, type OrderEnd, type OrderInput } from '../../../workflows/messages.ts';
import type { Answer } from '../../support/answer.ts';
import { expectRulesHold } from '../../support/database.ts';
import { untilEvents } from '../../support/history.ts';
import { lockWallet, refuseRefund } from '../../support/obstacles.ts';
import { listRefundWorkflows, refundWorkflowOf } from '../../support/refunds.ts';
import { startSecondApi } from '../../support/second-api.ts';
import type { PostOptions, Shop } from '../../support/shop.ts';
import { anOrder } from '../../support/step-requests.ts';
import { startSystem } from '../../support/system.ts';
import { until } from '../../support/until.ts';

const system = await startSystem();
const { shop, client, sql, database, taskQueue, startWorker, stopWorker } = system;
const otherApi = startSecondApi(system);
const steps = createActivities(database);

afterEach(() => expectRulesHold(sql));

/** Places an order of 2 units at 500 each, out of 10. */
async function placeOne() {
  const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(5_000)]);
  return { sku, wallet, id: await shop.placed(wallet, sku, 2) };
}

async function placeAndPayOne() {
  const order = await placeOne();
  expect(await shop.pay(order.id)).toMatchObject({ status: 200 });
  return order;
}

type Send = (to: Shop, id: string, options: PostOptions) => Promise<Answer>;

/** Sends a command, and resolves with its id before it is answered. */
async function begin(send: Send, to: Shop, id: string) {
  const key = randomUUID();
  const answer = send(to, id, { key });
  const commandId = await until('the id of the command', async () => {
    const [row] = await sql<
      { id: string }[]
    >`select command_id as id from idempotency_key where key = ${key}`;
    return row?.id;
  });
  return { key, commandId, answer };
}

const at = () => new Date().toISOString();

interface Case {
  command: string;
  before: () => Promise<{ id: string }>;
  send: Send;
  /** What a worker does that crashes before Temporal learns of it. */
  carryOut: (orderId: string, commandId: string) => Promise<{ stage: string }>;
  stage: string;
  code: string;
}

const CASES: readonly Case[] = [
  {
    command: 'payment',
    before: placeOne,
    send: (to, id, options) => to.pay(id, options),
    carryOut: (orderId, commandId) => steps.pay({ orderId, commandId, at: at() }),
    stage: 'paid',
    code: 'order_not_payable',
  },
  {
    command: 'cancel',
    before: placeOne,
    send: (to, id, options) => to.cancel(id, 'test', options),
    carryOut: (orderId, commandId) =>
      steps.release({ orderId, commandId, to: 'cancelled', reason: 'test', at: at() }),
    stage: 'cancelled',
    code: 'order_cancelled',
  },
  {
    command: 'cancel of a paid order',
    before: placeAndPayOne,
    send: (to, id, options) => to.cancel(id, 'test', options),
    carryOut: (orderId, commandId) =>
      steps.refund({ orderId, commandId, reason: 'test', restock: true, at: at() }),
    stage: 'refunded',
    code: 'order_not_cancellable',
  },
  {
    command: 'refund',
    before: placeAndPayOne,
    send: (to, id, options) => to.refund(id, true, options),
    carryOut: (orderId, commandId) =>
      steps.refund({ orderId, commandId, reason: 'broken', restock: true, at: at() }),
    stage: 'refunded',
    code: 'order_not_refundable',
  },
];

describe.each(CASES)('a $command', ({ before, send, carryOut, stage, code }) => {
  test('that a crashed worker carried out is answered as a success, and a competing command that the new run takes first is refused', async () => {
    const { id } = await before();
    await stopWorker();
    const rival = await begin(send, otherApi, id);
    await toReachTemporal();
    const mine = await begin(send, shop, id);
    await toReachTemporal();
    expect(await carryOut(id, mine.commandId)).toMatchObject({ stage });
    await startWorker();
    expect(await mine.answer).toMatchObject({ status: 200, body: { stage } });
    expect(await rival.answer).toMatchObject({ status: 409, body: { code } });
    expect(await send(shop, id, { key: mine.key })).toMatchObject({ status: 200, body: { stage } });
    expect(await send(shop, id, { key: rival.key })).toMatchObject({ status: 409, body: { code } });
  });
});

/**
 * Temporal does not show an update that no worker has taken. If this is too short, the two arrive in the other order, and the same must
 * hold.
 */
const toReachTemporal = (): Promise<void> => delay(300);

test('a cancel that takes effect between the two reads of its verdict is answered with the order as it is afterwards', async () => {
  const { id: orderId } = await placeAndPayOne();
  const commandId = randomUUID();
  let isFirst = true;
  const between: typeof database = {
    ...database,
    run: async (query) => {
      const result = await database.run(query);
      if (isFirst) await steps.refund({ orderId, commandId, reason: 'test', restock: true, at: at() });
      isFirst = false;
      return result;
    },
  };
  const temporal = openOrderClient(system.reach);
  onTestFinished(() => temporal.close());
  const caller: Caller = { id: 'key:test', roles: ['merchant'], shop: MAIN_SHOP };
  const dependencies = { temporal, caller, claims: database, database: between, attentionAfter: 120_000 };
  const order = await cancelOrder(
    dependencies,
    orderId,
    { commandId, reason: 'test' },
    {
      waitedMs: 0,
      isRetry: false,
    },
  );
  expect(order).toMatchObject({ stage: 'refunded' });
});

describe('a cancel that arrives while the payment is being taken', () => {
  /** Makes the payment and has the cancel accepted, while the refund fails until it is allowed. */
  async function cancelWithRefundHeldUp({ id, wallet }: { id: string; wallet: string }) {
    const allowRefund = await refuseRefund(sql, id);
    const unlock = await lockWallet(sql, wallet);
    const paying = shop.pay(id);
    await untilEvents(client, orderWorkflowId(id), 'activityTaskScheduledEventAttributes', 1);
    const key = randomUUID();
    const before = await countAcceptedUpdates(id);
    const cancelling = shop.cancel(id, 'changed my mind', { key });
    await until('the cancel to be accepted', async () =>
      (await countAcceptedUpdates(id)) > before ? true : undefined,
    );
    await unlock();
    expect(await paying).toMatchObject({ status: 200 });
    return { key, cancelling, allowRefund };
  }
  const countAcceptedUpdates = async (id: string) =>
    ((await client.workflow.getHandle(orderWorkflowId(id)).fetchHistory()).events ?? []).filter(
      (event) => event.workflowExecutionUpdateAcceptedEventAttributes,
    ).length;

  test('and while another caller\u2019s refund runs is answered with the outcome, and never as paid', async () => {
    const order = await placeOne();
    const { key, cancelling, allowRefund } = await cancelWithRefundHeldUp(order);
    const refunding = otherApi.refund(order.id, true);
    const refundId = await refundWorkflowOf(system, order.id);
    await untilEvents(client, refundId, 'activityTaskScheduledEventAttributes', 1);
    await allowRefund();
    const [cancelled, refunded] = await Promise.all([cancelling, refunding]);
    const [won, lost] = cancelled.status === 200 ? [cancelled, refunded] : [refunded, cancelled];
    expect(lost.status).toBe(409);
    expect(won).toMatchObject({ status: 200, body: { stage: 'refunded' } });
    expect(await shop.stageOf(order.id)).toBe('refunded');
    expect(await shop.cancel(order.id, 'changed my mind', { key })).toMatchObject({
      status: cancelled.status,
      body: cancelled.body,
    });
    expect(await client.workflow.getHandle(orderWorkflowId(order.id)).result()).toMatchObject({
      stage: 'refunded',
    });
  });

  test.each(['terminated', 'left running'])(
    'on an order from before 0.4, whose refund workflow is %s, is carried out',
    async (fate) => {
      const order = await placeAsIn03();
      const { key, cancelling, allowRefund } = await cancelWithRefundHeldUp(order);
      await untilEvents(client, refundWorkflowId(order.id, null), 'activityTaskScheduledEventAttributes', 1);
      if (fate === 'terminated')
        await client.workflow.getHandle(refundWorkflowId(order.id, null)).terminate('by mistake');
      await allowRefund();
      expect(await client.workflow.getHandle(orderWorkflowId(order.id)).result()).toMatchObject({
        stage: 'refunded',
      });
      await cancelling;
      expect(await shop.cancel(order.id, 'changed my mind', { key })).toMatchObject({
        status: 200,
        body: { stage: 'refunded', reason: 'changed my mind' },
      });
      expect(await shop.balanceOf(order.wallet)).toEqual({ posted: 5_000, held: 0 });
    },
  );

  test('starts no workflow for its refund', async () => {
    const order = await placeOne();
    const { cancelling, allowRefund } = await cancelWithRefundHeldUp(order);
    await allowRefund();
    expect(await cancelling).toMatchObject({ status: 200, body: { stage: 'refunded' } });
    expect(await listRefundWorkflows(system, order.id)).toEqual([]);
  });

  /** Places an order as an API of 0.3 did. */
  async function placeAsIn03() {
    const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(5_000)]);
    const { orderId, buyerId, paymentMode, lines } = anOrder({
      walletId: wallet,
      lines: [{ sku, quantity: 2 }],
    });
    const input = {
      orderId,
      buyerId,
      walletId: wallet,
      paymentMode,
      lines: [...lines],
      paymentWindow: 900_000,
      attentionAfter: 120_000,
    };
    await client.workflow.start<(input: OrderInput) => Promise<OrderEnd>>(WORKFLOW.order, {
      workflowId: orderWorkflowId(orderId),
      taskQueue,
      args: [input],
    });
    await until('the order to be reserved', async () => {
      const rows = await sql`select from orders where id = ${orderId}`;
      return rows.length > 0 ? true : undefined;
    });
    return { sku, wallet, id: orderId };
  }
});
