/** A refund that 0.7 began, in the one refund workflow of its order, goes on when 0.8 starts, and its caller hears of it. */
import { randomUUID } from 'node:crypto';
import { afterEach, expect, test } from 'vitest';
import { orderWorkflowsOf } from '../../client/inspection.ts';
import type { RefundInput } from '../../domain/order.ts';
import { refundWorkflowId } from '../../domain/workflow-ids.ts';
import {
  WORKFLOW,
  refundQuery,
  refundUpdate,
  retryNowUpdate,
  type RefundEnd,
} from '../../workflows/messages.ts';
import { expectRulesHold } from '../support/database.ts';
import { fillWallet } from '../support/obstacles.ts';
import { reconciling } from '../support/reconciling.ts';
import { listRefundWorkflows } from '../support/refunds.ts';
import { expectStatus } from '../support/shop.ts';
import { startSystem } from '../support/system.ts';
import { until } from '../support/until.ts';

const system = await startSystem();
const { shop, client, sql, taskQueue } = system;
const { placed, reconcile, findingsAbout } = reconciling(system);

afterEach(() => expectRulesHold(sql));

const BY = { actor: 'dana', reason: 'there is room' };
const PENDING = { status: 409, body: { code: 'refund_pending' } };

/** Room for the whole payment. */
async function makeRoom(wallet: string): Promise<void> {
  const order = await shop.placed(wallet, await shop.sku(2), 2);
  expectStatus(await shop.pay(order), 200);
}

/** A paid order of 1,000, whose refund 0.7 began for a caller with this key; it waits for room in the wallet. */
async function waitingSince07() {
  const { id, wallet, sku } = await placed();
  expectStatus(await shop.pay(id), 200);
  await fillWallet(sql, wallet);
  const key = randomUUID();
  const body = { reason: 'broken', restock: true };
  const ask = () => shop.post(`/v1/orders/${id}/refund`, body, { key });
  // Only what 0.7 left is kept of this: its key, with the id of its command.
  expect(await ask()).toMatchObject(PENDING);
  const [own] = await listRefundWorkflows(system, id);
  if (own === undefined) throw new Error('No refund was begun.');
  const { namespace } = client.options;
  await client.workflowService.deleteWorkflowExecution({ namespace, workflowExecution: { workflowId: own } });
  await until('the workflow to be deleted', async () => (await listRefundWorkflows(system, id)).length === 0);
  await sql`delete from attention where order_id = ${id}`;
  const commandId = own.slice(refundWorkflowId(id, '').length);
  const workflow = await client.workflow.start<(input: RefundInput) => Promise<RefundEnd>>(WORKFLOW.refund, {
    workflowId: refundWorkflowId(id, null),
    taskQueue,
    args: [{ orderId: id, commandId, attentionAfter: 120_000, ...body }],
  });
  expect(await workflow.executeUpdate(refundUpdate, { updateId: 'refund' })).toEqual({ stage: 'refunding' });
  return { id, wallet, sku, ask, workflow };
}

test('its caller waits with it when asking again, and no second workflow begins', async () => {
  const { id, wallet, sku, ask, workflow } = await waitingSince07();
  for (let count = 0; count < 3; count += 1) expect(await ask()).toMatchObject(PENDING);
  expect(await listRefundWorkflows(system, id)).toEqual([]);
  await makeRoom(wallet);
  await workflow.executeUpdate(retryNowUpdate, { args: [BY] });
  expect(await workflow.result()).toMatchObject({ stage: 'refunded' });
  expect(await ask()).toMatchObject({ status: 200, body: { stage: 'refunded', refunded: 1_000 } });
  expect(await listRefundWorkflows(system, id)).toEqual([]);
  expect(await shop.stockOf(sku)).toMatchObject({ onHand: 10 });
  expect(await shop.balanceOf(wallet)).toEqual({ posted: Number.MAX_SAFE_INTEGER, held: 0 });
});

test('other callers refund parts meanwhile, and it gives back what they left', async () => {
  const { id, wallet, ask, workflow } = await waitingSince07();
  const part = { reason: 'scratched', amount: 400 };
  const key = randomUUID();
  expect(await shop.refundOrder(id, part, { key })).toMatchObject(PENDING);
  const cheap = await shop.placed(wallet, await shop.sku(1, { amount: 400, currency: 'EUR' }));
  expectStatus(await shop.pay(cheap), 200);
  const answer = await until('the part', async () => {
    const sent = await shop.refundOrder(id, part, { key });
    return sent.status === 200 && sent;
  });
  expect(answer.body).toMatchObject({ stage: 'paid', refunded: 400 });
  expect(await ask()).toMatchObject(PENDING);
  await makeRoom(wallet);
  await workflow.executeUpdate(retryNowUpdate, { args: [BY] });
  await workflow.result();
  expect(await ask()).toMatchObject({ status: 200, body: { stage: 'refunded', refunded: 1_000 } });
  expect((await shop.listOrderRefunds(id)).body.items).toMatchObject([{ amount: 400 }, { amount: 600 }]);
});

test('when it was terminated, its caller begins it again, once, and reconciliation finds nothing lost', async () => {
  const { id, wallet, ask, workflow } = await waitingSince07();
  await workflow.terminate('by mistake');
  expect(await ask()).toMatchObject(PENDING);
  const [own] = await listRefundWorkflows(system, id);
  await until('the listing to know that it broke', async () => {
    const { promises } = await orderWorkflowsOf(client, taskQueue).listBroken(null);
    return promises.some(({ orderId }) => orderId === id);
  });
  await reconcile();
  expect(await findingsAbout(id)).toEqual([]);
  const again = client.workflow.getHandle<(input: RefundInput) => Promise<RefundEnd>>(own ?? '');
  await until('the step to fail again', async () => (await again.query(refundQuery)).failing !== null);
  await makeRoom(wallet);
  await again.executeUpdate(retryNowUpdate, { args: [BY] });
  expect(await again.result()).toMatchObject({ stage: 'refunded' });
  expect(await ask()).toMatchObject({ status: 200, body: { stage: 'refunded' } });
  expect((await shop.listOrderRefunds(id)).body.items).toHaveLength(1);
});
