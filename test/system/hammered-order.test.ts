/** An order that is hammered with payments can still be paid, cancelled and given up, and its history stays small. */
import { randomUUID } from 'node:crypto';
import { WorkflowUpdateFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { v7 as uuidv7 } from 'uuid';
import { afterEach, describe, expect, test } from 'vitest';
import { REQUEST_LIMIT_MS } from '../../domain/timeouts.ts';
import { CALL_DEADLINE_MS } from '../../domain/timeouts.ts';
import { TURN_WAIT_MS, createTurns } from '../../api/orders/turns.ts';
import { PAYMENT_LIMITS } from '../../domain/order.ts';
import { orderWorkflowId } from '../../domain/workflow-ids.ts';
import {
  giveUpUpdate,
  orderQuery,
  payUpdate,
  retryNowUpdate,
  skipStepUpdate,
} from '../../workflows/messages.ts';
import { expectRulesHold } from '../support/database.ts';
import { countEvents, untilEvents } from '../support/history.ts';
import { completedTasks, reset } from '../support/resets.ts';
import { startSecondApi } from '../support/second-api.ts';
import type { Answer } from '../support/answer.ts';
import { startSystem } from '../support/system.ts';
import { lockWallet } from '../support/obstacles.ts';
import { until } from '../support/until.ts';

const system = await startSystem({ attentionAfter: 100 });
const { shop, client, sql, startWorker, stopWorker } = system;
const otherApi = startSecondApi(system);

afterEach(() => expectRulesHold(sql));

const BY = { actor: 'dana', reason: 'the wallet is repaired' };
const workflowOf = (id: string) => client.workflow.getHandle(orderWorkflowId(id));
const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index));
const bothApis = (count: number, send: (to: typeof shop) => Promise<Answer>) =>
  times(count, (index) => send(index % 2 === 0 ? shop : otherApi));

/** An order of 2 units at 500. */
async function placed({ funds = 0 } = {}) {
  const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(funds)]);
  return { sku, wallet, id: await shop.placed(wallet, sku, 2) };
}

/** How a payment that moved nothing may be answered: refused, or to be sent again. */
const REFUSED = ['insufficient_funds', 'order_busy', 'too_many_refused_payments'];

function expectRefused(answers: readonly Answer[]): void {
  for (const { status, headers, body } of answers) {
    expect(body['code'], `${status} ${String(body['detail'])}`).toBeOneOf(REFUSED);
    if (body['code'] !== 'insufficient_funds') expect(headers.get('retry-after')).not.toBeNull();
  }
}

/** The final answer to a caller who sends again as long as the API asks for it. */
const finalAnswer = (send: () => Promise<Answer>) =>
  until('a final answer', async () => {
    const answer = await send();
    const again = answer.headers.get('retry-after') !== null;
    return again ? undefined : answer;
  });

/** Pays the order until its payments are refused without being tried. */
async function exhaust(id: string): Promise<string> {
  for (let count = 0; ; count += 1) {
    const key = randomUUID();
    const answer = await shop.pay(id, { key });
    if (answer.body['code'] === 'too_many_refused_payments') {
      expect(count).toBe(PAYMENT_LIMITS.refused);
      expect(answer.status).toBe(429);
      return key;
    }
    expect(answer).toMatchObject({ status: 422, body: { code: 'insufficient_funds' } });
  }
}

test('a hundred simultaneous payments of an order without funds, each with its own key, are refused or asked to try again', async () => {
  const { id, wallet } = await placed();
  expectRefused(await Promise.all(bothApis(100, (to) => to.pay(id))));
  expect((await workflowOf(id).query(orderQuery)).payAttempts).toBeLessThan(PAYMENT_LIMITS.refusedByWorkflow);
  await shop.topUp(wallet, 1_000);
  const key = randomUUID();
  expect(await finalAnswer(() => shop.pay(id, { key }))).toMatchObject({
    status: 200,
    body: { stage: 'paid' },
  });
});

test('a hundred simultaneous cancels of an order, each with its own key, cancel it once', async () => {
  const { id, sku } = await placed();
  const keys = times(100, () => randomUUID());
  const answers = await Promise.all(keys.map((key) => finalAnswer(() => shop.cancel(id, 'no', { key }))));
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  for (const { status, body } of answers) if (status !== 200) expect(body['code']).toBe('order_cancelled');
  expect(await shop.stockOf(sku)).toMatchObject({ reserved: 0 });
});

describe('at the limit of refused payments of an order,', () => {
  test('its history stays small however many more arrive, and a payment that the wallet covers is taken', async () => {
    const { id, wallet } = await placed();
    const key = await exhaust(id);
    const events = await countEvents(client, orderWorkflowId(id));
    expectRefused(await Promise.all(bothApis(200, (to) => to.pay(id))));
    expect(await countEvents(client, orderWorkflowId(id))).toBe(events);
    expect(events).toBeLessThan(10 * PAYMENT_LIMITS.refused);
    await shop.topUp(wallet, 1_000);
    expect(await shop.pay(id, { key })).toMatchObject({ status: 200, body: { stage: 'paid' } });
  });

  test('the order can be cancelled', async () => {
    const { id } = await placed();
    await exhaust(id);
    expect(await shop.cancel(id)).toMatchObject({ status: 200, body: { stage: 'cancelled' } });
  });

  test('the order can be reset to its beginning, sent all payments again, and paid', async () => {
    const { id, wallet } = await placed();
    await exhaust(id);
    const [task] = await completedTasks(client, orderWorkflowId(id));
    if (!task) throw new Error('The order has no task.');
    await reset(client, task, 'is sent its commands again');
    await shop.topUp(wallet, 1_000);
    const key = randomUUID();
    expect(await finalAnswer(() => shop.pay(id, { key }))).toMatchObject({
      status: 200,
      body: { stage: 'paid' },
    });
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 0, held: 0 });
  });

  test('the order can be given up', async () => {
    const { id } = await placed();
    await exhaust(id);
    expect(await workflowOf(id).executeUpdate(giveUpUpdate, { args: [BY] })).toMatchObject({
      stage: 'cancelled',
    });
  });
});

/** Pays without the API. */
const payDirectly = (id: string, funded?: boolean) =>
  workflowOf(id).executeUpdate(payUpdate, {
    args: [{ commandId: uuidv7(), ...(funded !== undefined && { funded }) }],
  });

async function refusalOf(update: Promise<unknown>): Promise<string | undefined> {
  const error: unknown = await update.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof WorkflowUpdateFailedError && error.cause instanceof ApplicationFailure)
    return error.cause.type ?? undefined;
  throw new Error('The update was not refused.', { cause: error });
}

test('the workflow itself refuses further payments before its history grows large, unless they are funded', async () => {
  const { id, wallet } = await placed();
  for (let count = 0; count < PAYMENT_LIMITS.refusedByWorkflow; count += 1)
    expect(await payDirectly(id)).toMatchObject({ refusal: 'insufficient_funds' });
  expect(await refusalOf(payDirectly(id))).toBe('too_many_refused_payments');
  await shop.topUp(wallet, 1_000);
  expect(await shop.pay(id)).toMatchObject({ status: 200, body: { stage: 'paid' } });
});

describe('while many payments of one order wait for a locked wallet,', () => {
  /** 16 callers at each of two APIs, and room for one more who uses neither: the line is full. */
  async function crowded() {
    const order = await placed({ funds: 5_000 });
    const unlock = await lockWallet(sql, order.wallet);
    const paying = bothApis(32, (to) => to.pay(order.id));
    await until(
      'the payment to fail',
      async () => (await workflowOf(order.id).query(orderQuery)).attention !== null,
    );
    // One more update started the order.
    await untilEvents(
      client,
      orderWorkflowId(order.id),
      'workflowExecutionUpdateAcceptedEventAttributes',
      1 + PAYMENT_LIMITS.waiting,
    );
    return { ...order, unlock, paying };
  }

  test('no further payment joins them, and an operator can have the failing step tried again', async () => {
    const { id, unlock, paying } = await crowded();
    expect(await refusalOf(payDirectly(id))).toBe('order_busy');
    expect(await workflowOf(id).executeUpdate(retryNowUpdate, { args: [BY] })).toMatchObject({ step: 'pay' });
    await unlock();
    const answers = await Promise.all(paying);
    for (const { status } of answers) expect(status).toBeOneOf([200, 409, 503]);
    await until('the order to be paid', async () => (await shop.stageOf(id)) === 'paid');
  });

  test('an operator can skip the payment that fails', async () => {
    const { id, unlock, paying } = await crowded();
    const skipping = workflowOf(id).executeUpdate(skipStepUpdate, { args: [{ ...BY, step: 'pay' }] });
    expect(await skipping).toMatchObject({ step: 'pay' });
    await unlock();
    for (const { status } of await Promise.all(paying)) expect(status).toBeOneOf([200, 409, 503]);
  });

  test('an operator can give the order up at once', async () => {
    const { id, unlock, paying, sku, wallet } = await crowded();
    expect(await workflowOf(id).executeUpdate(giveUpUpdate, { args: [BY] })).toEqual({
      stage: 'cancelled',
      step: 'pay',
    });
    await unlock();
    for (const { status, body } of await Promise.all(paying)) expect(status, JSON.stringify(body)).toBe(409);
    expect(await shop.stockOf(sku)).toEqual({ onHand: 10, reserved: 0, available: 10 });
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
  });

  test('the buyer can cancel the order', async () => {
    const { id, unlock, paying, wallet } = await crowded();
    const key = randomUUID();
    const cancelling = shop.cancel(id, 'changed my mind', { key });
    await untilEvents(
      client,
      orderWorkflowId(id),
      'workflowExecutionUpdateAcceptedEventAttributes',
      2 + PAYMENT_LIMITS.waiting,
    );
    await unlock();
    expect(await cancelling).toMatchObject({ status: 200, body: { stage: 'refunded' } });
    await Promise.all(paying);
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
  });
});

test('more updates than Temporal takes at once make no call fail for good, even while no worker runs', async () => {
  const { id, wallet } = await placed();
  await stopWorker();
  const directly = times(12, () => payDirectly(id).catch(() => null));
  const answers = [...bothApis(8, (to) => to.pay(id)), shop.cancel(id), otherApi.cancel(id)];
  await until('both APIs to have sent', async () => {
    const rows =
      await sql`select from idempotency_key where operation = 'cancelOrder' and response_status is null`;
    return rows.length === 2;
  });
  await startWorker();
  for (const { status, body } of await Promise.all(answers))
    expect(status, JSON.stringify(body)).toBeOneOf([200, 409, 422, 429, 503]);
  await Promise.all(directly);
  expect(await shop.balanceOf(wallet)).toEqual({ posted: 0, held: 0 });
  expect(await finalAnswer(() => shop.cancel(id))).toMatchObject({
    status: 409,
    body: { code: 'order_cancelled' },
  });
});

describe('the turns of commands to one order', () => {
  test('let a limited number run at once, in the order of their arrival, and hold up no other order', async () => {
    const turns = createTurns(2);
    const begun: string[] = [];
    const ends = new Map<string, () => void>();
    const work = (key: string, name: string) =>
      turns.take(key, () => {
        begun.push(name);
        return new Promise<void>((resolve) => ends.set(name, resolve));
      });
    const works = [work('a', '1'), work('a', '2'), work('a', '3'), work('a', '4'), work('b', 'other')];
    await Promise.resolve();
    expect(begun.toSorted()).toEqual(['1', '2', 'other']);
    for (const name of ['2', '3', '1', '4', 'other'])
      await until(`${name} to begin`, async () => {
        ends.get(name)?.();
        return ends.has(name);
      });
    await Promise.all(works);
    expect(begun.filter((name) => name !== 'other')).toEqual(['1', '2', '3', '4']);
  });

  test('make a caller whose turn does not come try again, and are freed exactly once when a command ends', async () => {
    const turns = createTurns(1, 5);
    const { promise, resolve } = Promise.withResolvers<void>();
    const first = turns.take('a', () => promise);
    await expect(turns.take('a', () => Promise.resolve())).rejects.toMatchObject({ code: 'order_busy' });
    resolve();
    await first;
    expect(await turns.take('a', () => Promise.resolve('free'))).toBe('free');
  });
});

test('the limits on payments of one order are consistent', () => {
  const { refused, refusedByWorkflow, refusedAtAll, waiting } = PAYMENT_LIMITS;
  // The API refuses first, and its answer says what to do; both together keep a replay far below a second.
  expect(refused).toBeLessThan(refusedByWorkflow);
  expect(refusedByWorkflow).toBeLessThanOrEqual(100);
  expect(refusedByWorkflow).toBeLessThan(refusedAtAll);
  // Temporal takes ten: these, the order itself, a cancel and three of operators.
  expect(waiting + 5).toBeLessThan(10);
  // A command that has waited for its turn still has most of its request's time.
  expect(2 * TURN_WAIT_MS).toBeLessThan(CALL_DEADLINE_MS);
  expect(CALL_DEADLINE_MS).toBeLessThan(REQUEST_LIMIT_MS);
});
