/** An order whose month of events was dropped: what its callers hear, what its refund does, and what reconciliation says of it. */
import { randomUUID } from 'node:crypto';
import { WorkflowFailedError } from '@temporalio/client';
import { afterEach, expect, test } from 'vitest';
import { countPending } from '../../db/stats/count.ts';
import { refundWorkflowId } from '../../domain/workflow-ids.ts';
import type { RefundInput } from '../../domain/order.ts';
import { WORKFLOW, type RefundEnd } from '../../workflows/messages.ts';
import { expectRulesHold } from '../support/database.ts';
import { dropMonth } from '../support/dropped-months.ts';
import { inMonths } from '../support/months.ts';
import { plant } from '../support/planted.ts';
import { listRefundWorkflows } from '../support/refunds.ts';
import { reconciling } from '../support/reconciling.ts';
import { startSystem } from '../support/system.ts';
import { until } from '../support/until.ts';

const system = await startSystem();
const { shop, client, sql, database, taskQueue, stopWorker, startWorker } = system;
const { placed, reconcile, findingsAbout } = reconciling(system);

afterEach(() => expectRulesHold(sql));

/** Drops every event that was recorded until now. */
async function dropEvents(): Promise<void> {
  await sql`select from make_months_of('order_event', now(), 0)`;
  await countPending(database, 20_000);
  for (;;) {
    const months = await dropMonth(sql, inMonths(1, 2));
    expect(months.filter(({ kept }) => kept !== null)).toEqual([]);
    if (months.length === 0) return;
  }
}

/** A paid order of 2 units at 500 out of 10, by a wallet that had 5,000, without its events. */
async function oldOrder() {
  const order = await placed();
  expect(await shop.pay(order.id)).toMatchObject({ status: 200 });
  await dropEvents();
  return order;
}

const startRefund = (id: string) => {
  const refund: RefundInput = { orderId: id, commandId: randomUUID(), reason: 'broken', restock: false };
  return client.workflow.start<(input: RefundInput) => Promise<RefundEnd>>(WORKFLOW.refund, {
    workflowId: refundWorkflowId(id, refund.commandId),
    taskQueue,
    args: [refund],
  });
};

test('it is still there, and its events are gone for good: an empty list would say that nothing happened', async () => {
  const { id } = await placed();
  expect(await shop.pay(id)).toMatchObject({ status: 200 });
  const path = `/v1/orders/${id}/events`;
  expect(await shop.get(path)).toMatchObject({ status: 200, body: { items: [{}, {}] } });
  const { nextCursor } = (await shop.get(`${path}?limit=1`)).body;
  await dropEvents();
  expect(await shop.getOrder(id)).toMatchObject({ status: 200, body: { stage: 'paid', version: 2 } });
  for (const query of ['', '?limit=1', `?cursor=${String(nextCursor)}`])
    expect(await shop.get(`${path}${query}`)).toMatchObject({
      status: 410,
      body: { code: 'events_not_kept', detail: expect.stringContaining('It is paid since') },
    });
  expect(await shop.get(`/v1/orders/${randomUUID()}/events`)).toMatchObject({ status: 404 });
});

test.each([
  ['refund', (id: string, key: string) => shop.refund(id, true, { key })],
  ['cancel', (id: string, key: string) => shop.cancel(id, 'too late', { key })],
])('its %s is refused for good before anything is started', async (_, command) => {
  const { id, wallet, sku } = await oldOrder();
  const key = randomUUID();
  const first = await command(id, key);
  expect(first).toMatchObject({ status: 409, body: { code: 'order_too_old' } });
  const again = await command(id, key);
  expect(again.body).toEqual(first.body);
  expect(again.headers.get('idempotency-replayed')).toBe('true');
  expect(await command(id, randomUUID())).toMatchObject({ status: 409, body: { code: 'order_too_old' } });
  expect(await listRefundWorkflows(system, id)).toEqual([]);
  expect(await shop.balanceOf(wallet)).toEqual({ posted: 4_000, held: 0 });
  expect(await shop.stockOf(sku)).toMatchObject({ onHand: 8 });
});

test('a refund that was begun before its events went ends and says why, instead of trying forever', async () => {
  const { id, wallet } = await oldOrder();
  const refund = await startRefund(id);
  const failure: unknown = await refund.result().catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(WorkflowFailedError);
  expect(failure).toMatchObject({
    cause: { type: 'order_too_old', message: expect.stringContaining('The money was not given back') },
  });
  expect(await shop.balanceOf(wallet)).toEqual({ posted: 4_000, held: 0 });
  expect(await sql`select from attention where order_id = ${id}`).toHaveLength(0);
});

test('a promised refund that can no longer be made stays a finding for a person', async () => {
  const { id } = await oldOrder();
  await stopWorker();
  const refund = await startRefund(id);
  await refund.terminate('by mistake');
  await startWorker();
  const found = await until('the listing to have it', async () => {
    await reconcile();
    return (await findingsAbout(id)).find(({ kind }) => kind === 'workflow_failed');
  });
  expect(found).toMatchObject({
    state: 'open',
    finding: expect.stringContaining('its events are no longer kept, so a person has to give the money back'),
  });
  await reconcile();
  expect(await findingsAbout(id)).toMatchObject([{ state: 'open' }]);
  expect((await refund.describe()).status.name).toBe('TERMINATED');
  expect(await sql`select from order_step where order_id = ${id} and step = 'refund'`).toHaveLength(0);
});

test('reconciliation finds nothing wrong with it, and still finds what is', async () => {
  const { id, wallet } = await oldOrder();
  await reconcile();
  expect(await findingsAbout(id)).toEqual([]);
  expect(await findingsAbout(wallet)).toEqual([]);
  const steps: Record<string, string>[] = [];
  await plant(sql, async (to) => {
    await to`update wallet set posted = posted + 1 where id = ${wallet}`;
    steps.push(
      ...(await to<Record<string, string>[]>`
        delete from order_step where order_id = ${id} and step = 'pay' returning order_id, step, command_id, stage
      `),
    );
  });
  await reconcile(true);
  expect(await findingsAbout(wallet)).toMatchObject([{ kind: 'wallet_counter_wrong', state: 'repaired' }]);
  expect(await findingsAbout(id)).toMatchObject([{ kind: 'order_inconsistent', state: 'open' }]);
  await sql`insert into order_step ${sql(steps)}`;
});
