/** An operator finds in Temporal what they look for, and nothing else, and an order in no trouble pays one event for it. */
import { randomUUID } from 'node:crypto';
import { msToTs } from '@temporalio/common/lib/time.js';
import proto from '@temporalio/proto';
import { describe, expect, inject, test } from 'vitest';
import { connectTemporal } from '../../client/connection.ts';
import { openOrderClient } from '../../client/orders.ts';
import { keepRegistering, registerSearchAttributes } from '../../client/search-attributes.ts';
import { MAIN_SHOP } from '../../domain/shops.ts';
import { SEARCH_ATTRIBUTE_NAMES } from '../../domain/search-attributes.ts';
import { buyersOrders, workflowQuery, type QueryName } from '../../domain/workflow-queries.ts';
import { orderWorkflowId } from '../../domain/workflow-ids.ts';
import { ORDER_RULES, WORKFLOW, orderQuery } from '../../workflows/messages.ts';
import { failingSteps } from '../support/failing-steps.ts';
import { countEvents } from '../support/history.ts';
import { lockWallet } from '../support/obstacles.ts';
import { refundWorkflowOf } from '../support/refunds.ts';
import { startScript } from '../support/server-process.ts';
import { startSystem } from '../support/system.ts';
import { until } from '../support/until.ts';

const WINDOW = 900_000;
const system = await startSystem({ attentionAfter: 100, paymentWindow: WINDOW });
const { shop, client, sql, taskQueue, temporal } = system;
const { workflowOf, untilMarked } = failingSteps(system);

const { INDEXED_VALUE_TYPE_INT: INT } = proto.temporal.api.enums.v1.IndexedValueType;

/** Of nobody: no worker reserves it. */
const ORDER = {
  buyerId: 'buyer',
  walletId: randomUUID(),
  paymentMode: 'debit',
  lines: [{ sku: 'none', quantity: 1 }],
  paymentWindow: WINDOW,
} as const;

/** The ids of what a query finds among the workflows of this test, sorted. */
async function find(query: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { workflowId } of client.workflow.list({
    query: `(${query}) AND TaskQueue = '${taskQueue}'`,
  }))
    found.push(workflowId);
  return found.sort();
}

/** The listing lags behind, so what it finds is waited for. */
const expectFound = (query: string, ...ids: readonly string[]): Promise<unknown> =>
  expect.poll(() => find(query), { timeout: 10_000 }).toEqual([...ids].sort());

const finding = (name: QueryName, at = new Date()): string => workflowQuery(name, at);

async function attributesOf(workflowId: string): Promise<Record<string, unknown>> {
  const { typedSearchAttributes } = await client.workflow.getHandle(workflowId).describe();
  const ours = typedSearchAttributes.getAll().filter(({ key }) => key.name.startsWith('Holdfast'));
  return Object.fromEntries(ours.map(({ key, value }) => [key.name, value]));
}

/** An order of 2 units at 500 that waits for its payment. */
async function place(owner = 'buyer') {
  const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(5_000, 'EUR', owner)]);
  return { sku, wallet, id: await shop.placed(wallet, sku, 2, { buyerId: owner }) };
}

test('each query finds exactly the workflows that it names', async () => {
  const [waiting, stuck, refunded, cancelled] = await Promise.all([place(), place(), place(), place()]);
  const quoted = "o'neill & sons";
  const [ofBuyer, ofOther] = await Promise.all([place(quoted), place("o'neill")]);
  const short = randomUUID();
  await temporal.place({
    orderId: short,
    buyerId: 'buyer',
    walletId: waiting.wallet,
    paymentMode: 'debit',
    lines: [{ sku: waiting.sku, quantity: 1 }],
    paymentWindow: WINDOW / 2,
  });
  await Promise.all([shop.pay(refunded.id), shop.cancel(cancelled.id)]);
  await shop.refund(refunded.id, true);
  const unlock = await lockWallet(sql, stuck.wallet);
  const paying = shop.pay(stuck.id);
  await untilMarked(stuck.id);

  const of = ({ id }: { id: string }) => orderWorkflowId(id);
  await expectFound(finding('needs attention'), of(stuck));
  await expectFound(finding('retrying a step'), of(stuck));
  await expectFound(finding('waiting for payment'), ...[waiting, ofBuyer, ofOther, { id: short }].map(of));
  await expectFound(finding('past deadline'));
  await expectFound(
    finding('past deadline', new Date(Date.now() + WINDOW / 2 + 60_000)),
    orderWorkflowId(short),
  );
  await expectFound(finding('refunded today'), await refundWorkflowOf(system, refunded.id));
  await expectFound(finding('refunded today', new Date(Date.now() + 86_400_000)));
  await expectFound(buyersOrders({ buyerId: quoted }), of(ofBuyer));
  await expectFound(buyersOrders({ shopId: 'other', buyerId: quoted }));

  await unlock();
  await paying;
  await expectFound(finding('needs attention'));
  await expectFound(finding('retrying a step'));
});

describe('what a workflow is found by', () => {
  test('costs an order in no trouble one event, the one that says how it ended', async () => {
    const { id } = await place();
    const started = await attributesOf(orderWorkflowId(id));
    const { paymentDeadline } = (await shop.getOrder(id)).body;
    expect(started).toEqual({
      HoldfastShop: MAIN_SHOP,
      HoldfastBuyer: 'buyer',
      HoldfastStage: 'awaiting_payment',
      HoldfastDeadline: expect.any(Date),
    });
    expect(Math.abs(Number(started['HoldfastDeadline']) - Date.parse(String(paymentDeadline)))).toBeLessThan(
      5_000,
    );
    expect(await countUpserts(id)).toBe(0);
    await shop.pay(id);
    await workflowOf(id).result();
    expect(await attributesOf(orderWorkflowId(id))).toEqual({ ...started, HoldfastStage: 'paid' });
    expect(await countUpserts(id)).toBe(1);
    expect(await countEvents(client, orderWorkflowId(id))).toBe(16);
  });

  test('shows the stage, the step and the reason while a step fails, and nothing of it afterwards', async () => {
    const { id, wallet } = await place();
    const unlock = await lockWallet(sql, wallet);
    const paying = shop.pay(id);
    await untilMarked(id);
    expect(await attributesOf(orderWorkflowId(id))).toMatchObject({
      HoldfastStage: 'paying',
      HoldfastFailingStep: 'pay',
      HoldfastAttention: 'payment_failing',
    });
    await unlock();
    await paying;
    await workflowOf(id).result();
    const ended = await attributesOf(orderWorkflowId(id));
    expect(ended).toMatchObject({ HoldfastStage: 'paid' });
    expect(ended).not.toHaveProperty('HoldfastFailingStep');
    expect(ended).not.toHaveProperty('HoldfastAttention');
  });

  test('is written by no workflow that started without it, as all did before 0.10', async () => {
    const [sku, walletId] = await Promise.all([shop.sku(10), shop.wallet(5_000)]);
    const orderId = randomUUID();
    const workflowId = orderWorkflowId(orderId);
    const input = {
      orderId,
      buyerId: 'buyer',
      walletId,
      paymentMode: 'debit',
      lines: [{ sku, quantity: 2 }],
      paymentWindow: WINDOW,
      rules: ORDER_RULES,
    };
    const old = await client.workflow.start(WORKFLOW.order, { workflowId, taskQueue, args: [input] });
    await until('the reservation', async () =>
      (await old.query(orderQuery)).stage === 'awaiting_payment' ? true : undefined,
    );
    await shop.pay(orderId);
    await old.result();
    expect(await attributesOf(workflowId)).toEqual({});
    expect(await countUpserts(orderId)).toBe(0);
  });

  test('has the shop and the buyer of a refund, and the stage in which it left the order', async () => {
    const { id } = await place();
    await shop.pay(id);
    await shop.refundOrder(id, { reason: 'broken', amount: 100 });
    const workflowId = await refundWorkflowOf(system, id);
    await client.workflow.getHandle(workflowId).result();
    expect(await attributesOf(workflowId)).toEqual({
      HoldfastShop: MAIN_SHOP,
      HoldfastBuyer: 'buyer',
      HoldfastStage: 'paid',
    });
  });
});

describe('a namespace that does not know the search attributes', () => {
  test('takes orders all the same, and knows them once it was made to', async () => {
    const address = inject('temporalAddress');
    const namespace = `test-${randomUUID()}`;
    const { client: other, close } = await connectTemporal({ address, namespace, payloadKeys: undefined });
    const orders = openOrderClient({ address, namespace, taskQueue, payloadKeys: undefined });
    try {
      await other.workflowService.registerNamespace({
        namespace,
        workflowExecutionRetentionPeriod: msToTs(86_400_000),
      });
      const orderId = randomUUID();
      // No worker serves this namespace: the order starts, and nobody answers it.
      void orders.place({ ...ORDER, orderId }).catch(() => 'unanswered');
      const handle = other.workflow.getHandle(orderWorkflowId(orderId));
      const started = await until('the order to start', () => handle.describe().catch(() => undefined));
      expect(started.typedSearchAttributes.getAll()).toEqual([]);

      // Somebody has taken the name for something else.
      const taken = { namespace, searchAttributes: { HoldfastStage: INT } };
      await other.connection.operatorService.addSearchAttributes(taken);
      await expect(registerSearchAttributes(other)).rejects.toThrow(
        `The namespace ${namespace} has the search attributes HoldfastStage with another type.`,
      );
      await other.connection.operatorService.removeSearchAttributes({
        namespace,
        searchAttributes: ['HoldfastStage'],
      });

      const environment = { TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace };
      const registering = startScript('ops/ops.ts', environment, { args: ['search-attributes'] });
      expect(await registering.ended).toBe(0);
      expect(registering.output()).toBe(
        `Registered in the namespace ${namespace}: ${SEARCH_ATTRIBUTE_NAMES.join(', ')}.\n`,
      );
      expect(await registerSearchAttributes(other)).toEqual([]);
      const reported: unknown[] = [];
      const { signal } = new AbortController();
      await keepRegistering(other, { signal, report: (error) => reported.push(error) });
      expect(reported).toEqual([]);
      expect(await other.workflow.count("HoldfastShop = 'main'")).toMatchObject({ count: 0 });
    } finally {
      await orders.close();
      await close();
    }
  });
});

const countUpserts = (orderId: string): Promise<number> =>
  countEvents(client, orderWorkflowId(orderId), 'upsertWorkflowSearchAttributesEventAttributes');
