/** A step that keeps failing gets a person's attention, and what persons may do keeps every rule. */
import { randomUUID } from 'node:crypto';
import { WorkflowUpdateFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { afterEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { orderWorkflowId, refundWorkflowId } from '../../../domain/workflow-ids.ts';
import type { ReconcileEnd } from '../../../domain/rules.ts';
import {
  WORKFLOW,
  giveUpUpdate,
  orderQuery,
  refundQuery,
  retryNowUpdate,
  skipStepUpdate,
  type ReconcileInput,
} from '../../../workflows/messages.ts';
import { clearAttention, raiseAttention } from '../../../db/attention.ts';
import { pay } from '../../../db/steps/pay.ts';
import { expectRulesHold } from '../../support/database.ts';
import { completedTasks, reset } from '../../support/resets.ts';
import { startSystem } from '../../support/system.ts';
import { lockMark, lockSku, lockWallet } from '../../support/trouble.ts';
import { until } from '../../support/until.ts';
import { unansweredOrder } from '../../support/unanswered.ts';

const system = await startSystem({ attentionAfter: 100 });
const { shop, client, sql } = system;

afterEach(() => expectRulesHold(sql));

const dana = { actor: 'dana', reason: 'the wallet is repaired' };
const workflowOf = (orderId: string) => client.workflow.getHandle(orderWorkflowId(orderId));
const refundOf = (orderId: string) => client.workflow.getHandle(refundWorkflowId(orderId));
const marksOf = (orderId: string) =>
  sql<{ step: string; reason: string; cleared: boolean }[]>`
    select step, reason, cleared_at is not null as cleared from attention where order_id = ${orderId} order by raised_at
  `;
const interventionsOf = async (orderId: string) =>
  (await shop.get(`/v1/orders/${orderId}/interventions`)).body['items'];
const attentionOf = async (orderId: string) => (await shop.get(`/v1/orders/${orderId}`)).body['attention'];
const untilMarked = (orderId: string) =>
  until(`order ${orderId} to be marked`, async () => (await attentionOf(orderId)) ?? undefined);

/** An order of 2 units at 500, whose wallet is locked while it is paid: the payment fails again and again. */
async function failingPayment({ paymentMode = 'debit', funds = 5_000 } = {}) {
  const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(funds)]);
  const id = await shop.placed(wallet, sku, 2, { paymentMode });
  const mend = await lockWallet(sql, wallet);
  const paying = shop.pay(id);
  await untilMarked(id);
  return { sku, wallet, id, mend, paying };
}

/** Carries out the payment that waits for its answer, behind its workflow's back. */
async function payUnheard(orderId: string): Promise<void> {
  const [row] = await sql<{ commandId: string }[]>`
    select command_id as "commandId"
    from idempotency_key
    where operation = 'payOrder' and response_status is null
    order by recorded_at desc
    limit 1
  `;
  const commandId = z.string().parse(row?.commandId);
  const paid = await pay(system.database, { orderId, commandId, at: new Date().toISOString() });
  expect(paid).toEqual({ stage: 'paid', reason: null });
}

async function refusalOf(update: Promise<unknown>): Promise<string> {
  const error: unknown = await update.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof WorkflowUpdateFailedError && error.cause instanceof ApplicationFailure)
    return `${error.cause.type}: ${error.cause.message}`;
  throw new Error('The update was not refused.', { cause: error });
}

describe('a step that keeps failing', () => {
  test('marks its order with a reason, and the mark clears when the step succeeds', async () => {
    const { id, mend, paying } = await failingPayment();
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

    await mend();
    expect(await paying).toMatchObject({ status: 200, body: { stage: 'paid' } });
    await workflowOf(id).result();
    expect(await attentionOf(id)).toBeUndefined();
    expect(await marksOf(id)).toEqual([{ step: 'pay', reason: 'payment_failing', cleared: true }]);
    expect(await workflowOf(id).query(orderQuery)).toMatchObject({ failing: null, attention: null });
  });

  test('when it gives back, marks the order too', async () => {
    const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(5_000)]);
    const id = await shop.placed(wallet, sku, 2, { paymentMode: 'hold' });
    const mend = await lockWallet(sql, wallet);
    const cancelling = shop.cancel(id);
    expect(await untilMarked(id)).toMatchObject({ reason: 'compensation_failing', step: 'release' });
    await mend();
    expect(await cancelling).toMatchObject({ status: 200, body: { stage: 'cancelled' } });
    await until('the mark to clear', async () => ((await attentionOf(id)) === undefined ? true : undefined));
    expect(await shop.stockOf(sku)).toEqual({ onHand: 10, reserved: 0, available: 10 });
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
  });

  test('when it reserves, marks an order that is not recorded yet', async () => {
    const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(5_000)]);
    const mend = await lockSku(sql, sku);
    const placing = shop.order(wallet, [{ sku, quantity: 2 }]);
    const id = await unansweredOrder(system);
    const marks = await until('a mark', async () => {
      const rows = await marksOf(id);
      return rows.length > 0 ? rows : undefined;
    });
    expect(marks).toEqual([{ step: 'reserve', reason: 'reservation_failing', cleared: false }]);
    await mend();
    expect(await placing).toMatchObject({ status: 201, body: { stage: 'awaiting_payment' } });
    await until('the mark to clear', async () => ((await marksOf(id))[0]?.cleared ? true : undefined));
  });

  test('when it refunds, marks the order by its refund', async () => {
    const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(5_000)]);
    const id = await shop.placed(wallet, sku);
    await shop.pay(id);
    const mend = await lockWallet(sql, wallet);
    const refunding = shop.refund(id, true);
    expect(await untilMarked(id)).toMatchObject({ reason: 'refund_failing', step: 'refund' });
    expect(await refundOf(id).query(refundQuery)).toMatchObject({ stage: 'refunding', failing: 'refund' });
    expect(await refusalOf(refundOf(id).executeUpdate(giveUpUpdate, { args: [dana] }))).toContain('not_open');
    const skipping = refundOf(id).executeUpdate(skipStepUpdate, { args: [{ ...dana, step: 'refund' }] });
    expect(await refusalOf(skipping)).toContain('not_skippable: The step refund cannot be skipped.');
    await refundOf(id).executeUpdate(retryNowUpdate, { args: [dana] });
    await mend();
    expect(await refunding).toMatchObject({ status: 200, body: { stage: 'refunded' } });
    await refundOf(id).result();
    expect(await interventionsOf(id)).toMatchObject([{ action: 'retry_now', step: 'refund', actor: 'dana' }]);
    expect(await attentionOf(id)).toBeUndefined();
  });
});

test('marks are listed page by page, oldest first', async () => {
  const [one, other] = [await failingPayment(), await failingPayment()];
  const first = (await shop.get('/v1/attention?limit=1')).body;
  const second = (await shop.get(`/v1/attention?limit=1&cursor=${z.string().parse(first['nextCursor'])}`))
    .body;
  expect(first).toMatchObject({ items: [{ orderId: one.id }] });
  expect(second).toMatchObject({ items: [{ orderId: other.id }], nextCursor: null });
  await Promise.all([one.mend(), other.mend()]);
  await Promise.all([one.paying, other.paying]);
  await Promise.all([workflowOf(one.id).result(), workflowOf(other.id).result()]);
  expect((await shop.get('/v1/attention')).body).toEqual({ items: [], nextCursor: null });
});

test('a paid order whose workflow cannot write its notes yet can be cancelled', async () => {
  const { id, mend, paying } = await failingPayment();
  const letGo = await lockMark(sql, id);
  await mend();
  expect(await paying).toMatchObject({ status: 200, body: { stage: 'paid' } });
  const answer = await shop.cancel(id);
  expect(await marksOf(id)).toMatchObject([{ cleared: false }]);
  await letGo();
  expect(answer).toMatchObject({ status: 200, body: { stage: 'refunded' } });
});

describe('reconciliation clears the mark', () => {
  const reconcile = () =>
    client.workflow.execute<(input: ReconcileInput) => Promise<ReconcileEnd>>(WORKFLOW.reconcile, {
      workflowId: `reconcile-${randomUUID()}`,
      taskQueue: system.taskQueue,
      args: [{ repairCounters: false }],
    });

  test('of a workflow that was reset and goes on without it, and of no other', async () => {
    const [resetOne, failing] = [await failingPayment(), await failingPayment()];
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
    await Promise.all([resetOne.mend(), failing.mend()]);
    await failing.paying;
  });

  test('of a refund that was terminated', async () => {
    const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(5_000)]);
    const id = await shop.placed(wallet, sku, 2);
    await shop.pay(id);
    const mend = await lockWallet(sql, wallet);
    const refunding = shop.refund(id, true);
    await untilMarked(id);
    await refundOf(id).terminate('by mistake');
    await mend();
    await refunding;
    await reconcile();
    expect(await marksOf(id)).toMatchObject([{ step: 'refund', cleared: true }]);
  });
});

test('a note that is written late neither raises a cleared mark again nor clears a newer one', async () => {
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

describe('an operator', () => {
  test('has a failing step tried again at once, and is recorded', async () => {
    const { id, mend, paying, wallet } = await failingPayment();
    // Past the first, short pauses between two tries: without the update the next one would be seconds away.
    await until('a long pause before the next try', async () => {
      const { raw } = await workflowOf(id).describe();
      return raw.pendingActivities?.some(({ attempt }) => (attempt ?? 0) >= 4) ? true : undefined;
    });
    await mend();
    const answer = await workflowOf(id).executeUpdate(retryNowUpdate, { args: [dana] });
    expect(answer).toEqual({ stage: 'paying', step: 'pay' });
    expect(await paying).toMatchObject({ status: 200, body: { stage: 'paid' } });
    await workflowOf(id).result();
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 4_000, held: 0 });
    expect(await interventionsOf(id)).toMatchObject([
      { action: 'retry_now', actor: 'dana', reason: 'the wallet is repaired', step: 'pay' },
    ]);
    const scheduled = (await workflowOf(id).fetchHistory()).events?.filter(
      (event) => event.activityTaskScheduledEventAttributes?.activityType?.name === 'pay',
    );
    expect(scheduled).toHaveLength(2);
  });

  test.each(['debit', 'hold'])(
    'skips a payment in %s mode: nothing moves, a late attempt neither, and the buyer may pay again',
    async (paymentMode) => {
      const { id, mend, paying, wallet } = await failingPayment({ paymentMode });
      const skipped = workflowOf(id).executeUpdate(skipStepUpdate, { args: [{ ...dana, step: 'pay' }] });
      expect(await paying).toMatchObject({ status: 409, body: { code: 'order_not_payable' } });
      expect(await skipped).toEqual({ stage: 'awaiting_payment', step: 'pay' });
      const whileOpen = { posted: 5_000, held: paymentMode === 'hold' ? 1_000 : 0 };
      expect(await shop.balanceOf(wallet)).toEqual(whileOpen);
      await mend();
      expect(await shop.balanceOf(wallet)).toEqual(whileOpen);
      expect(await shop.pay(id)).toMatchObject({ status: 200, body: { stage: 'paid' } });
      expect(await shop.balanceOf(wallet)).toEqual({ posted: 4_000, held: 0 });
      await workflowOf(id).result();
      expect(await interventionsOf(id)).toMatchObject([{ action: 'skip_step', step: 'pay', actor: 'dana' }]);
    },
  );

  test('skips a payment that was made by then: it counts, and the money is taken once', async () => {
    const { id, mend, paying, wallet } = await failingPayment();
    // What an attempt that committed unheard leaves: the payment is there, and the workflow does not know.
    await system.stopWorker();
    await mend();
    await payUnheard(id);
    const skipping = workflowOf(id).executeUpdate(skipStepUpdate, { args: [{ ...dana, step: 'pay' }] });
    await system.startWorker();
    await skipping;
    expect(await paying).toMatchObject({ status: 200, body: { stage: 'paid' } });
    expect(await workflowOf(id).result()).toMatchObject({ stage: 'paid' });
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 4_000, held: 0 });
  });

  test.each(['debit', 'hold'])(
    'gives up an order in %s mode whose payment fails: nothing is taken, everything is given back',
    async (paymentMode) => {
      const { id, mend, paying, sku, wallet } = await failingPayment({ paymentMode });
      const givingUp = workflowOf(id).executeUpdate(giveUpUpdate, { args: [dana] });
      await until('the payment to be skipped', async () => {
        const rows = await sql`select from order_step where order_id = ${id} and step = 'pay'`;
        return rows.length > 0 ? true : undefined;
      });
      await mend();
      expect(await paying).toMatchObject({ status: 409, body: { code: 'order_not_payable' } });
      expect(await givingUp).toEqual({ stage: 'cancelled', step: 'pay' });
      expect((await shop.get(`/v1/orders/${id}`)).body).toMatchObject({
        stage: 'cancelled',
        reason: 'the wallet is repaired',
      });
      expect(await shop.stockOf(sku)).toEqual({ onHand: 10, reserved: 0, available: 10 });
      expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
      await workflowOf(id).result();
      expect(await interventionsOf(id)).toMatchObject([{ action: 'give_up', step: 'pay' }]);
    },
  );

  test('gives up an order that was paid by then: it is refunded and restocked', async () => {
    const { id, mend, paying, sku, wallet } = await failingPayment();
    await system.stopWorker();
    await mend();
    await payUnheard(id);
    const givingUp = workflowOf(id).executeUpdate(giveUpUpdate, { args: [dana] });
    await system.startWorker();
    expect(await givingUp).toMatchObject({ stage: 'refunded' });
    expect(await paying).toMatchObject({ status: 200 });
    expect(await shop.stageOf(id)).toBe('refunded');
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
    expect(await shop.stockOf(sku)).toEqual({ onHand: 10, reserved: 0, available: 10 });
  });

  test('gives up an order whose reservation fails: it is cancelled, and a late attempt reserves nothing', async () => {
    const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(5_000)]);
    const mend = await lockSku(sql, sku);
    const placing = shop.order(wallet, [{ sku, quantity: 2 }]);
    const id = await unansweredOrder(system);
    await until('a mark', async () => ((await marksOf(id)).length > 0 ? true : undefined));
    const answer = await workflowOf(id).executeUpdate(giveUpUpdate, { args: [dana] });
    expect(answer).toEqual({ stage: 'cancelled', step: 'reserve' });
    expect(await placing).toMatchObject({ status: 409, body: { code: 'order_cancelled' } });
    await mend();
    await workflowOf(id).result();
    expect(await shop.stockOf(sku)).toEqual({ onHand: 10, reserved: 0, available: 10 });
    expect(await marksOf(id)).toMatchObject([{ cleared: true }]);
  });

  test('gives up an order that waits for its payment', async () => {
    const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(5_000)]);
    const id = await shop.placed(wallet, sku, 2);
    expect(await workflowOf(id).executeUpdate(giveUpUpdate, { args: [dana] })).toEqual({
      stage: 'cancelled',
      step: null,
    });
    expect(await shop.stockOf(sku)).toEqual({ onHand: 10, reserved: 0, available: 10 });
  });

  test('is refused what would break a rule, and then nothing is written', async () => {
    const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(5_000)]);
    const id = await shop.placed(wallet, sku, 2, { paymentMode: 'hold' });
    const order = workflowOf(id);
    expect(await refusalOf(order.executeUpdate(retryNowUpdate, { args: [dana] }))).toContain(
      'nothing_failing',
    );
    const skip = (step: 'release' | 'pay') =>
      refusalOf(order.executeUpdate(skipStepUpdate, { args: [{ ...dana, step }] }));
    expect(await skip('pay')).toContain('nothing_failing');

    const mend = await lockWallet(sql, wallet);
    const cancelling = shop.cancel(id);
    await untilMarked(id);
    expect(await skip('pay')).toContain('not_skippable: The step that is being tried again is release');
    expect(await skip('release')).toContain('not_skippable: The step release cannot be skipped. The units');
    expect(await refusalOf(order.executeUpdate(giveUpUpdate, { args: [dana] }))).toContain(
      'not_open: This order is being cancelled already.',
    );
    await mend();
    await cancelling;
    expect(await interventionsOf(id)).toEqual([]);
  });

  test.each([
    ['no name', { actor: ' ', reason: 'x' }],
    ['no reason', { actor: 'dana', reason: '' }],
    ['a reason of 501 characters', { actor: 'dana', reason: 'x'.repeat(501) }],
    ['a name that PostgreSQL cannot keep', { actor: 'da\0na', reason: 'x' }],
  ])('is refused with %s', async (_what, by) => {
    const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(5_000)]);
    const id = await shop.placed(wallet, sku);
    expect(await refusalOf(workflowOf(id).executeUpdate(giveUpUpdate, { args: [by] }))).toContain('unsigned');
    await shop.cancel(id);
  });

  test('who sends a command by hand that PostgreSQL could not keep is refused, and the order goes on', async () => {
    const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(5_000)]);
    const id = await shop.placed(wallet, sku);
    const send = (name: string, typed: unknown) =>
      refusalOf(workflowOf(id).executeUpdate<unknown, [unknown]>(name, { args: [typed] }));
    const commandId = randomUUID();
    expect(await send('pay', null)).toContain('malformed');
    expect(await send('pay', { commandId: 'mine' })).toContain('malformed');
    expect(await send('cancel', { commandId })).toContain('malformed');
    expect(await send('cancel', { commandId, reason: 'a\0b' })).toContain('malformed');
    expect(await shop.pay(id)).toMatchObject({ status: 200, body: { stage: 'paid' } });
  });

  test('who sends the same update again acts once', async () => {
    const { id, mend, paying } = await failingPayment();
    const updateId = 'retry after repair';
    await workflowOf(id).executeUpdate(retryNowUpdate, { updateId, args: [dana] });
    await workflowOf(id).executeUpdate(retryNowUpdate, { updateId, args: [dana] });
    await mend();
    await paying;
    await workflowOf(id).result();
    expect(await interventionsOf(id)).toHaveLength(1);
  });
});
