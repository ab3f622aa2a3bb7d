/** A call keeps its answer after Temporal has deleted the workflow that gave it, as it does with every workflow that ended long ago. */
import { randomUUID } from 'node:crypto';
import { WorkflowNotFoundError } from '@temporalio/client';
import { afterEach, expect, test } from 'vitest';
import { orderWorkflowsOf } from '../../client/inspection.ts';
import { orderWorkflowId } from '../../domain/workflow-ids.ts';
import type { Answer } from '../support/answer.ts';
import { breachesOfWorkflows, expectRulesHold } from '../support/database.ts';
import { forgetAnswer } from '../support/idempotency-keys.ts';
import { refundWorkflowOf } from '../support/refunds.ts';
import { expectStatus, idOf } from '../support/shop.ts';
import { startSystem } from '../support/system.ts';
import { until } from '../support/until.ts';

const system = await startSystem();
const { shop, sql, client, clock, database, taskQueue } = system;

afterEach(async () => {
  await expectRulesHold(sql);
  expect(await breachesOfWorkflows(database, orderWorkflowsOf(client, taskQueue))).toEqual([]);
});

async function isForgotten(workflowId: string): Promise<boolean> {
  try {
    await client.workflow.getHandle(workflowId).describe();
    return false;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return true;
    throw error;
  }
}

/** How long Temporal takes to delete a workflow. */
const DELETED_WITHIN_MS = 60_000;

/** Deletes workflows that have ended, as Temporal does when their retention is over. */
async function forget(...workflowIds: string[]): Promise<void> {
  const { namespace } = client.options;
  for (const workflowId of workflowIds) {
    await client.workflow.getHandle(workflowId).result();
    await client.workflowService.deleteWorkflowExecution({ namespace, workflowExecution: { workflowId } });
  }
  for (const workflowId of workflowIds)
    await until(`Temporal to forget ${workflowId}`, () => isForgotten(workflowId), DELETED_WITHIN_MS);
}

/** An order and the call that made it. */
async function placed(funds = 5_000, quantity = 1) {
  const [sku, wallet, key] = [await shop.sku(10), await shop.wallet(funds), randomUUID()];
  const create = () => shop.order(wallet, [{ sku, quantity }], {}, { key });
  return { sku, wallet, key, create, first: await create() };
}

test('an answer that was kept is the same, and nothing happens again', async () => {
  const [paid, cancelled, rejected] = [await placed(), await placed(), await placed(5_000, 11)];
  const [payKey, refundKey, cancelKey] = [randomUUID(), randomUUID(), randomUUID()];
  const calls = [
    paid.create,
    () => shop.pay(idOf(paid.first), { key: payKey }),
    () => shop.refund(idOf(paid.first), true, { key: refundKey }),
    cancelled.create,
    () => shop.cancel(idOf(cancelled.first), 'changed my mind', { key: cancelKey }),
    rejected.create,
  ];
  const firsts: Answer[] = [];
  for (const call of calls) firsts.push(await call());
  expect(firsts.map(({ status }) => status)).toEqual([201, 200, 200, 201, 200, 409]);
  const workflowIds = [
    orderWorkflowId(idOf(paid.first)),
    await refundWorkflowOf(system, idOf(paid.first)),
    orderWorkflowId(idOf(cancelled.first)),
    orderWorkflowId(String(rejected.first.body.orderId)),
  ];
  await forget(...workflowIds);
  for (const [index, call] of calls.entries()) {
    const [first, again] = [firsts[index], await call()];
    expect(again).toMatchObject({ status: first?.status, body: first?.body });
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    for (const name of ['location', 'content-type'])
      expect(again.headers.get(name)).toBe(first?.headers.get(name));
  }
  for (const workflowId of workflowIds) expect(await isForgotten(workflowId)).toBe(true);
  expect(await shop.balanceOf(paid.wallet)).toEqual({ posted: 5_000, held: 0 });
  expect(await shop.stockOf(paid.sku)).toEqual({ onHand: 10, reserved: 0, available: 10 });
}, 120_000);

test('an answer that was lost before it was kept is found in the database, and no workflow begins', async () => {
  const [paid, expired, cancelled, rejected] = [
    await placed(),
    await placed(),
    await placed(),
    await placed(5_000, 11),
  ];
  const [payKey, cancelKey] = [randomUUID(), randomUUID()];
  const pay = () => shop.pay(idOf(paid.first), { key: payKey });
  const cancel = () => shop.cancel(idOf(cancelled.first), 'changed my mind', { key: cancelKey });
  expectStatus(await pay(), 200);
  expectStatus(await cancel(), 200);
  await clock.forward(orderWorkflowId(idOf(expired.first)), 15 * 60_000);
  const workflowIds = [
    ...[paid, expired, cancelled].map(({ first }) => orderWorkflowId(idOf(first))),
    orderWorkflowId(String(rejected.first.body.orderId)),
  ];
  await forget(...workflowIds);
  for (const { key } of [paid, expired, cancelled, rejected]) await forgetAnswer(sql, key);
  for (const key of [payKey, cancelKey]) await forgetAnswer(sql, key);

  const found = async ({ create, first }: Awaited<ReturnType<typeof placed>>, stage: string) =>
    expect(await create()).toMatchObject({ status: 201, body: { id: idOf(first), stage } });
  await found(paid, 'paid');
  await found(expired, 'expired');
  await found(cancelled, 'cancelled');
  expect(await rejected.create()).toMatchObject({ status: 409, body: rejected.first.body });
  expect(await pay()).toMatchObject({ status: 200, body: { stage: 'paid' } });
  expect(await cancel()).toMatchObject({ status: 200, body: { stage: 'cancelled' } });
  for (const workflowId of workflowIds) expect(await isForgotten(workflowId)).toBe(true);
  expect(await shop.balanceOf(paid.wallet)).toEqual({ posted: 4_500, held: 0 });
  expect(await sql`select from orders`).toHaveLength(7);
}, 120_000);
