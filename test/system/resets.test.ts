/**
 * Workflows that are reset to each of their tasks, with and without the commands that came after it. What the database
 * has recorded stays as it is, and the new run takes it over: one debit, one reservation, one refund.
 */
import { randomUUID } from 'node:crypto';
import postgres from 'postgres';
import { afterAll, afterEach, describe, expect, inject, test } from 'vitest';
import { z } from 'zod';
import { PAYMENT_MODES } from '../../domain/order.ts';
import { orderWorkflowId, refundWorkflowId } from '../../domain/workflow-ids.ts';
import { giveUpUpdate, orderQuery } from '../../workflows/messages.ts';
import { BIGINT_AS_NUMBER } from '../../db/exact-integers.ts';
import { ORDER_PATHS } from '../recording/paths.ts';
import { expectRulesHold } from '../support/database.ts';
import { always, interruptions, type Interruption, type Plan } from '../support/interruptions.ts';
import { startReplayer } from '../support/replayer.ts';
import { completedTasks, reset, REAPPLY, type Reapply } from '../support/resets.ts';
import type { Answer } from '../support/answer.ts';
import { startSystem, type TestSystem } from '../support/system.ts';
import { until } from '../support/until.ts';

const WINDOW = 15 * 60_000;

const { between, interrupt } = interruptions();
const started = await startSystem({
  paymentWindow: WINDOW,
  // Some paths wait for the mark.
  attentionAfter: 250,
  workerDatabase: between,
});
// Paths hold locks while they look, and several are played at once: each needs three connections.
const sql = postgres(started.url, {
  max: 20,
  types: { bigint: BIGINT_AS_NUMBER },
});
afterAll(() => sql.end());
const system = { ...started, sql };
const { shop, client, clock } = system;
const replay = startReplayer({ workflowBundle: { codePath: inject('workflowBundlePath') } });

afterEach(() => expectRulesHold(sql));

const statusOf = async (workflowId: string) =>
  (await client.workflow.getHandle(workflowId).describe()).status.name;

/** Resolves when the workflow has ended, in whatever way. */
async function untilEnded(workflowId: string): Promise<void> {
  await client.workflow
    .getHandle(workflowId)
    .result()
    .catch(() => {});
  expect(await statusOf(workflowId)).not.toBe('RUNNING');
}

/** Every row that an order has, but for the keys of its steps: a new run may add one that says "had ended already". */
async function recordOf(orderId: string): Promise<unknown> {
  const [row] = await sql<{ record: unknown }[]>`
    select jsonb_build_object(
      'order', (select to_jsonb(orders) from orders where id = ${orderId}),
      'events', (select jsonb_agg(to_jsonb(order_event) order by version) from order_event where order_id = ${orderId}),
      'reservations', (select jsonb_agg(to_jsonb(reservation) order by sku) from reservation where order_id = ${orderId}),
      'hold', (select to_jsonb(hold) from hold where order_id = ${orderId}),
      'transfers', (select jsonb_agg(to_jsonb(transfer) order by id) from transfer where order_id = ${orderId}),
      'returns', (select jsonb_agg(to_jsonb(stock_movement) order by id) from stock_movement where order_id = ${orderId}),
      'skus', (
        select jsonb_agg(to_jsonb(sku) order by sku) from sku where sku in (select sku from order_line where order_id = ${orderId})
      ),
      'wallet', (select to_jsonb(wallet) from wallet where id = (select wallet_id from orders where id = ${orderId}))
    ) as record
  `;
  return row?.record;
}

async function orderRow(orderId: string) {
  const [row] = await sql<{ stage: string; deadline: Date }[]>`
    select stage, payment_deadline as deadline from orders where id = ${orderId}
  `;
  if (!row) throw new Error(`There is no order ${orderId}.`);
  return row;
}

/** The stage that a workflow ended with. One that was cancelled in the Web UI is shown as cancelled, and says no more. */
async function endOf(workflowId: string): Promise<string> {
  if ((await statusOf(workflowId)) === 'CANCELLED') return 'cancelled';
  return endSchema.parse(await client.workflow.getHandle(workflowId).result()).stage;
}
const endSchema = z.object({ stage: z.string() });

type Path = (system: TestSystem) => Promise<string>;

/** Resolves with the number of tasks that this path can be reset to. */
async function resetChangesNothing(play: Path, index: number, reapply: Reapply): Promise<number> {
  const workflowId = await play(system);
  await untilEnded(workflowId);
  const orderId = workflowId.replace(/^(order|refund)-/, '');
  const before = await recordOf(orderId);

  const tasks = await completedTasks(client, workflowId);
  const task = tasks[index];
  // Two things that happen at the same moment are one task or two.
  if (!task) return tasks.length;
  await reset(client, task, reapply);
  // A new run that was told of no payment and of no cancel waits for them again.
  await clock.forward(workflowId, WINDOW);
  await untilEnded(workflowId);

  expect(await recordOf(orderId)).toEqual(before);
  const { stage, deadline } = await orderRow(orderId);
  // A refund is a workflow of its own: an order's that is not told of the cancel ends as paid.
  expect(await endOf(workflowId)).toBeOneOf(stage === 'refunded' ? ['refunded', 'paid'] : [stage]);
  if (workflowId === orderWorkflowId(orderId))
    expect((await viewOf(workflowId)).deadline).toBe(deadline.toISOString());
  // A history can be replayed where nobody knows that its workflow was reset.
  await replay({ workflowId, history: await client.workflow.getHandle(workflowId).fetchHistory() });
  return tasks.length;
}

const ENDED: Readonly<Record<string, Path>> = {
  ...ORDER_PATHS,
  // The recorded paths of these look for the one order that has no answer; here there are several.
  'cancelled-before-reservation-is-answered': async () => {
    const { id, workflowId, plan, answer } = await reservationInterrupted('commits late');
    await shop.cancel(id);
    await answer;
    plan.stop();
    await plan.land();
    return workflowId;
  },
  'given-up-while-reservation-fails': async () => {
    const { workflowId, plan, answer } = await reservationInterrupted('commits unheard');
    const operator = { actor: 'operator', reason: 'test' };
    await client.workflow.getHandle(workflowId).executeUpdate(giveUpUpdate, { args: [operator] });
    await answer;
    plan.stop();
    return workflowId;
  },
  'refunded after it ended': async () => {
    const { id, workflowId } = await placed();
    await shop.pay(id);
    await shop.refund(id, false);
    return workflowId;
  },
};

describe.concurrent.each(REAPPLY)(
  'a workflow that has ended, reset to any of its tasks, where it %s, leaves all as it was:',
  (reapply) => {
    test.each(Object.entries(ENDED))(
      '%s',
      async (_name, play) => {
        // Each time anew, so that each reset is the first of its order.
        for (let index = 0, count = 1; index < count; index += 1)
          count = await resetChangesNothing(play, index, reapply);
      },
      90_000,
    );
  },
);

/** An order of 2 units at 500 out of 10, by a wallet with so much. */
async function placed({ funds = 5_000, paymentMode = 'debit' } = {}) {
  const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(funds)]);
  const id = await shop.placed(wallet, sku, 2, { paymentMode });
  return { sku, wallet, id, workflowId: orderWorkflowId(id) };
}

async function taskOf(workflowId: string, index: number) {
  const task = (await completedTasks(client, workflowId))[index];
  if (!task) throw new Error(`${workflowId} has no task ${index}.`);
  return task;
}

const viewOf = (workflowId: string) => client.workflow.getHandle(workflowId).query(orderQuery);

/** Resolves when the order's newest run knows that it is reserved: until then it refuses every payment. */
const untilReserved = (workflowId: string) =>
  until('the new run to be reserved', async () =>
    (await viewOf(workflowId)).stage === 'reserving' ? undefined : true,
  );

const untilStage = (orderId: string, stage: string, patience?: number) =>
  until(
    `order ${orderId} to be ${stage}`,
    async () => ((await shop.stageOf(orderId)) === stage ? true : undefined),
    patience,
  );

const untilFallback = (plan: Plan) =>
  until('the fallback', async () => (plan.happened() >= 2 ? true : undefined));

/** An order whose reservation goes on being interrupted. */
async function reservationInterrupted(interruption: Interruption) {
  const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(5_000)]);
  const key = randomUUID();
  const send = () => shop.order(wallet, [{ sku, quantity: 2 }], {}, { key });
  const plan = interrupt('reserve', wallet, always(interruption));
  const answer = send();
  await untilFallback(plan);
  const [row] = await sql<{ id: string }[]>`select command_id as id from idempotency_key where key = ${key}`;
  if (!row) throw new Error('The order has no id.');
  return { id: row.id, workflowId: orderWorkflowId(row.id), sku, wallet, plan, answer, send };
}

const WHOLE = { onHand: 10, reserved: 0, available: 10 };
const SOLD = { onHand: 8, reserved: 0, available: 8 };

const OPEN = REAPPLY.flatMap((reapply) => PAYMENT_MODES.map((paymentMode) => ({ reapply, paymentMode })));

describe.concurrent.each(OPEN)(
  'an open order in $paymentMode mode that is reset, and $reapply,',
  ({ reapply, paymentMode }) => {
    async function resetWhileOpen() {
      const order = await placed({ paymentMode });
      const record = await recordOf(order.id);
      await reset(client, await taskOf(order.workflowId, 0), reapply);
      await untilReserved(order.workflowId);
      expect(await recordOf(order.id)).toEqual(record);
      const { deadline } = await viewOf(order.workflowId);
      expect(deadline).toBe((await orderRow(order.id)).deadline.toISOString());
      return order;
    }

    test('is paid once', async () => {
      const { id, sku, wallet } = await resetWhileOpen();
      expect(await shop.pay(id)).toMatchObject({ status: 200, body: { stage: 'paid', version: 2 } });
      expect(await shop.balanceOf(wallet)).toEqual({ posted: 4_000, held: 0 });
      expect(await shop.stockOf(sku)).toEqual(SOLD);
    });

    test('is cancelled once', async () => {
      const { id, sku, wallet } = await resetWhileOpen();
      expect(await shop.cancel(id)).toMatchObject({ status: 200, body: { stage: 'cancelled', version: 2 } });
      expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
      expect(await shop.stockOf(sku)).toEqual(WHOLE);
    });

    test('expires at the deadline that was told', async () => {
      const { id, sku, wallet, workflowId } = await resetWhileOpen();
      const remaining = (await orderRow(id)).deadline.getTime() - Date.now();
      await clock.forward(workflowId, remaining - 5_000);
      expect(await shop.stageOf(id)).toBe('awaiting_payment');
      await clock.forward(workflowId, 5_000);
      expect(await client.workflow.getHandle(workflowId).result()).toMatchObject({ stage: 'expired' });
      expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
      expect(await shop.stockOf(sku)).toEqual(WHOLE);
    });
  },
);

describe.concurrent.each(REAPPLY)('an order whose payment was refused, reset, and %s,', (reapply) => {
  async function resetAfterRefusal(index: number): Promise<string> {
    const { id, wallet, workflowId } = await placed({ funds: 999 });
    expect(await shop.pay(id)).toMatchObject({ status: 422, body: { code: 'insufficient_funds' } });
    await reset(client, await taskOf(workflowId, index), reapply);
    await untilReserved(workflowId);
    await shop.topUp(wallet, 1);
    return id;
  }

  test.each([0, 1])('at task %i, takes no money for the refused payment when it expires', async (index) => {
    const id = await resetAfterRefusal(index);
    await clock.forward(orderWorkflowId(id), WINDOW);
    await untilEnded(orderWorkflowId(id));
    expect(await shop.stageOf(id)).toBe('expired');
  });

  test.each([0, 1])('at task %i, takes the money when the buyer has topped up', async (index) => {
    const id = await resetAfterRefusal(index);
    expect(await shop.pay(id)).toMatchObject({ status: 200, body: { stage: 'paid' } });
  });
});

/** What a caller hears in the end who sends a request again, with its key, for as long as that is the advice. */
const finalAnswer = (send: () => Promise<Answer>) =>
  until(
    'a final answer',
    async () => {
      const answer = await send();
      const again = answer.status >= 500 || answer.body['code'] === 'idempotency_in_progress';
      return again ? undefined : answer;
    },
    8_000,
  );

const INTERRUPTIONS = ['fails before it is sent', 'commits unheard', 'commits late'] as const;
const INTERRUPTED = REAPPLY.flatMap((reapply) =>
  INTERRUPTIONS.map((interruption) => ({ reapply, interruption })),
);

describe.concurrent.each(INTERRUPTED)(
  'when a step $interruption until its workflow is reset, and $reapply,',
  ({ reapply, interruption }) => {
    test('one reservation is made', async () => {
      const { workflowId, sku, plan, answer, send } = await reservationInterrupted(interruption);
      await reset(client, await taskOf(workflowId, 0), reapply);
      plan.stop();
      await answer;
      expect(await finalAnswer(send)).toMatchObject({ status: 201, body: { stage: 'awaiting_payment' } });
      await plan.land();
      expect(await shop.stockOf(sku)).toEqual({ onHand: 10, reserved: 2, available: 8 });
    });

    test.each([0, 1])('at task %i, one payment is made', async (index) => {
      const { id, sku, wallet, workflowId } = await placed();
      const plan = interrupt('pay', id, always(interruption));
      const paying = shop.pay(id);
      await untilFallback(plan);
      await reset(client, await taskOf(workflowId, index), reapply);
      await untilReserved(workflowId);
      plan.stop();
      await paying;
      if ((await shop.stageOf(id)) !== 'paid') expect((await shop.pay(id)).status).toBeOneOf([200, 409]);
      await plan.land();
      await untilStage(id, 'paid');
      expect(await shop.balanceOf(wallet)).toEqual({ posted: 4_000, held: 0 });
      expect(await shop.stockOf(sku)).toEqual(SOLD);
      // The new run ends when it has heard of it.
      await clock.forward(workflowId, WINDOW);
      await untilEnded(workflowId);
      expect(await shop.cancel(id)).toMatchObject({ status: 200, body: { stage: 'refunded', version: 3 } });
    });

    for (const index of [0, 1]) {
      test(`at task ${index}, the payment's caller hears of it when he sends it again`, async () => {
        const { id, workflowId } = await placed();
        const key = randomUUID();
        const plan = interrupt('pay', id, always(interruption));
        const paying = shop.pay(id, { key });
        await untilFallback(plan);
        await reset(client, await taskOf(workflowId, index), reapply);
        await untilReserved(workflowId);
        plan.stop();
        await paying;
        const answer = await finalAnswer(() => shop.pay(id, { key }));
        expect(answer).toMatchObject({ status: 200, body: { stage: 'paid', version: 2 } });
        await plan.land();
      });
    }

    test('one refund is made', async () => {
      const { id, sku, wallet } = await placed();
      await shop.pay(id);
      const key = randomUUID();
      const plan = interrupt('refund', id, always(interruption));
      const refunding = shop.refund(id, true, { key });
      await untilFallback(plan);
      await reset(client, await taskOf(refundWorkflowId(id), 0), reapply);
      plan.stop();
      await refunding;
      const answer = await finalAnswer(() => shop.refund(id, true, { key }));
      expect(answer).toMatchObject({ status: 200, body: { stage: 'refunded', version: 3 } });
      await plan.land();
      expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
      expect(await shop.stockOf(sku)).toEqual(WHOLE);
    });
  },
);

describe.concurrent('a caller whose workflow is reset while it waits', () => {
  const SEND_AGAIN = { status: 503, body: { code: 'unavailable' } };

  test('for a payment is told to send it again', async () => {
    const { id, workflowId } = await placed();
    const plan = interrupt('pay', id, always('fails before it is sent'));
    const paying = shop.pay(id);
    await untilFallback(plan);
    await reset(client, await taskOf(workflowId, 1), 'is told no command again');
    expect(await paying).toMatchObject(SEND_AGAIN);
    plan.stop();
  });

  test('for a reservation is told to send it again', async () => {
    const { workflowId, plan, answer } = await reservationInterrupted('fails before it is sent');
    await reset(client, await taskOf(workflowId, 0), 'is told no command again');
    const told = await answer;
    plan.stop();
    expect(told).toMatchObject(SEND_AGAIN);
  });

  test('for a refund is told to send it again', async () => {
    const { id } = await placed();
    await shop.pay(id);
    const plan = interrupt('refund', id, always('fails before it is sent'));
    const refunding = shop.refund(id, true);
    await untilFallback(plan);
    await reset(client, await taskOf(refundWorkflowId(id), 0), 'is told its commands again');
    const told = await refunding;
    plan.stop();
    expect(told).toMatchObject(SEND_AGAIN);
  });

  test('for a payment has it carried out when the workflow is told of it again', async () => {
    const { id, workflowId } = await placed();
    const plan = interrupt('pay', id, always('fails before it is sent'));
    const paying = shop.pay(id);
    await untilFallback(plan);
    await reset(client, await taskOf(workflowId, 0), 'is told its commands again');
    plan.stop();
    await Promise.all([paying, untilReserved(workflowId)]);
    await untilStage(id, 'paid', 2_000);
  });
});
