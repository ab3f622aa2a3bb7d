/** A step that keeps failing gets a person's attention: its order is marked until the step succeeds. */
import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { clearAttention, raiseAttention } from '../../../db/attention.ts';
import type { ReconcileEnd } from '../../../domain/rules.ts';
import { orderWorkflowId } from '../../../domain/workflow-ids.ts';
import {
  WORKFLOW,
  giveUpUpdate,
  orderQuery,
  refundQuery,
  retryNowUpdate,
  skipStepUpdate,
  type ReconcileInput,
} from '../../../workflows/messages.ts';
import { expectRulesHold } from '../../support/database.ts';
import { failingSteps, refusalOf } from '../../support/failing-steps.ts';
import { lockMark, lockSku, lockWallet } from '../../support/obstacles.ts';
import { completedTasks, reset } from '../../support/resets.ts';
import { startSystem } from '../../support/system.ts';
import { unansweredOrder } from '../../support/unanswered.ts';
import { until } from '../../support/until.ts';

const system = await startSystem({ attentionAfter: 100 });
const { shop, client, sql } = system;
const { workflowOf, refundOf, marksOf, attentionOf, untilMarked, interventionsOf, failPayment } =
  failingSteps(system);

afterEach(() => expectRulesHold(sql));

const BY = { actor: 'dana', reason: 'the wallet is repaired' };

describe('a step that keeps failing', () => {
  test('marks its order with a reason, and the mark clears when the step succeeds', async () => {
    const { id, unlock, paying } = await failPayment();
    expect(await attentionOf(id)).toMatchObject({ reason: 'payment_failing', step: 'pay' });
    expect(await workflowOf(id).query(orderQuery)).toMatchObject({
      stage: 'paying',
      failing: 'pay',
      attention: { reason: 'payment_failing', step: 'pay' },
    });
    const { items } = (await shop.get('/v1/attention?limit=100')).body;
    expect(items).toContainEqual(
      expect.objectContaining({ orderId: id, reason: 'payment_failing', workflowId: orderWorkflowId(id) }),
    );
    const metadata = JSON.stringify(await workflowOf(id).query('__temporal_workflow_metadata'));
    expect(metadata).toContain('Needs attention since');

    await unlock();
    expect(await paying).toMatchObject({ status: 200, body: { stage: 'paid' } });
    await workflowOf(id).result();
    expect(await attentionOf(id)).toBeUndefined();
    expect(await marksOf(id)).toEqual([{ step: 'pay', reason: 'payment_failing', cleared: true }]);
    expect(await workflowOf(id).query(orderQuery)).toMatchObject({ failing: null, attention: null });
  });

  test('while it gives back what the order held also marks the order', async () => {
    const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(5_000)]);
    const id = await shop.placed(wallet, sku, 2, { paymentMode: 'hold' });
    const unlock = await lockWallet(sql, wallet);
    const cancelling = shop.cancel(id);
    expect(await untilMarked(id)).toMatchObject({ reason: 'compensation_failing', step: 'release' });
    await unlock();
    expect(await cancelling).toMatchObject({ status: 200, body: { stage: 'cancelled' } });
    await until('the mark to clear', async () => ((await attentionOf(id)) === undefined ? true : undefined));
    expect(await shop.stockOf(sku)).toEqual({ onHand: 10, reserved: 0, available: 10 });
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
  });

  test('while it reserves marks an order that is not recorded yet', async () => {
    const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(5_000)]);
    const unlock = await lockSku(sql, sku);
    const placing = shop.order(wallet, [{ sku, quantity: 2 }]);
    const id = await unansweredOrder(system);
    const marks = await until('a mark', async () => {
      const rows = await marksOf(id);
      return rows.length > 0 ? rows : undefined;
    });
    expect(marks).toEqual([{ step: 'reserve', reason: 'reservation_failing', cleared: false }]);
    await unlock();
    expect(await placing).toMatchObject({ status: 201, body: { stage: 'awaiting_payment' } });
    await until('the mark to clear', async () => ((await marksOf(id))[0]?.cleared ? true : undefined));
  });

  test('while it refunds marks the order through its refund workflow', async () => {
    const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(5_000)]);
    const id = await shop.placed(wallet, sku);
    await shop.pay(id);
    const unlock = await lockWallet(sql, wallet);
    const refunding = shop.refund(id, true);
    expect(await untilMarked(id)).toMatchObject({ reason: 'refund_failing', step: 'refund' });
    const refund = await refundOf(id);
    expect(await refund.query(refundQuery)).toMatchObject({ stage: 'refunding', failing: 'refund' });
    expect(await refusalOf(refund.executeUpdate(giveUpUpdate, { args: [BY] }))).toContain('not_open');
    const skipping = refund.executeUpdate(skipStepUpdate, { args: [{ ...BY, step: 'refund' }] });
    expect(await refusalOf(skipping)).toContain('not_skippable: The step refund cannot be skipped.');
    await refund.executeUpdate(retryNowUpdate, { args: [BY] });
    await unlock();
    expect(await refunding).toMatchObject({ status: 200, body: { stage: 'refunded' } });
    await refund.result();
    expect(await interventionsOf(id)).toMatchObject([{ action: 'retry_now', step: 'refund', actor: 'dana' }]);
    expect(await attentionOf(id)).toBeUndefined();
  });
});

test('attention marks are listed page by page, the oldest first', async () => {
  const [one, other] = [await failPayment(), await failPayment()];
  const first = (await shop.get('/v1/attention?limit=1')).body;
  const second = (await shop.get(`/v1/attention?limit=1&cursor=${z.string().parse(first['nextCursor'])}`))
    .body;
  expect(first).toMatchObject({ items: [{ orderId: one.id }] });
  expect(second).toMatchObject({ items: [{ orderId: other.id }], nextCursor: null });
  await Promise.all([one.unlock(), other.unlock()]);
  await Promise.all([one.paying, other.paying]);
  await Promise.all([workflowOf(one.id).result(), workflowOf(other.id).result()]);
  expect((await shop.get('/v1/attention')).body).toEqual({ items: [], nextCursor: null });
});

test('a paid order whose workflow cannot write its notes yet can be cancelled', async () => {
  const { id, unlock, paying } = await failPayment();
  const letGo = await lockMark(sql, id);
  await unlock();
  expect(await paying).toMatchObject({ status: 200, body: { stage: 'paid' } });
  const answer = await shop.cancel(id);
  expect(await marksOf(id)).toMatchObject([{ cleared: false }]);
  await letGo();
  expect(answer).toMatchObject({ status: 200, body: { stage: 'refunded' } });
});

describe('reconciliation clears the attention mark', () => {
  const reconcile = () =>
    client.workflow.execute<(input: ReconcileInput) => Promise<ReconcileEnd>>(WORKFLOW.reconcile, {
      workflowId: `reconcile-${randomUUID()}`,
      taskQueue: system.taskQueue,
      args: [{ repairCounters: false }],
    });

  test('of a workflow that was reset and goes on without the failing step, and clears no other mark', async () => {
    const [resetOne, failing] = [await failPayment(), await failPayment()];
    const workflowId = orderWorkflowId(resetOne.id);
    const [task] = await completedTasks(client, workflowId);
    if (!task) throw new Error('The order has no task.');
    await reset(client, task, 'is sent no command again');
    await until('the new run to wait', async () =>
      (await workflowOf(resetOne.id).query(orderQuery)).stage === 'awaiting_payment' ? true : undefined,
    );
    expect(await marksOf(resetOne.id)).toMatchObject([{ cleared: false }]);
    await reconcile();
    expect(await marksOf(resetOne.id)).toMatchObject([{ cleared: true }]);
    expect(await marksOf(failing.id)).toMatchObject([{ cleared: false }]);
    await Promise.all([resetOne.unlock(), failing.unlock()]);
    await failing.paying;
  });

  test('of a refund that was terminated', async () => {
    const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(5_000)]);
    const id = await shop.placed(wallet, sku, 2);
    await shop.pay(id);
    const unlock = await lockWallet(sql, wallet);
    const refunding = shop.refund(id, true);
    await untilMarked(id);
    await (await refundOf(id)).terminate('by mistake');
    await unlock();
    await refunding;
    await reconcile();
    expect(await marksOf(id)).toMatchObject([{ step: 'refund', cleared: true }]);
  });
});

test('a note that is written late neither raises a cleared attention mark again nor clears a newer one', async () => {
  const { database } = system;
  const orderId = randomUUID();
  const workflowId = orderWorkflowId(orderId);
  const raise = (raisedAt: string) =>
    raiseAttention(database, { workflowId, orderId, reason: 'payment_failing', step: 'pay', raisedAt });
  const clear = (when: string) => clearAttention(database, { workflowId, orderId, at: when });
  const at = (time: string) => `2026-01-01T${time}:00.000Z`;
  const [first, cleared, second] = [at('10:00'), at('10:01'), at('10:02')];
  await raise(first);
  await clear(cleared);
  await raise(first);
  expect(await marksOf(orderId)).toMatchObject([{ cleared: true }]);
  await raise(second);
  await clear(cleared);
  expect(await marksOf(orderId)).toMatchObject([{ cleared: true }, { cleared: false }]);
  await clear(second);
});
