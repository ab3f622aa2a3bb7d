/** An order is refunded in parts, by any number of callers at once: never more than was paid, and each caller hears of its own refund. */
import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import type { RefundOrder } from '../../api/client.ts';
import { REFUNDS_WAITING } from '../../domain/order.ts';
import { retryNowUpdate } from '../../workflows/messages.ts';
import type { Answer } from '../support/answer.ts';
import { expectRulesHold } from '../support/database.ts';
import { forgetAnswer } from '../support/idempotency-keys.ts';
import { always, interruptions, type Interruption } from '../support/interruptions.ts';
import { fillWallet } from '../support/obstacles.ts';
import { listRefundWorkflows, refundHandleOf, refundWorkflowOf } from '../support/refunds.ts';
import { REAPPLY, completedTasks, reset } from '../support/resets.ts';
import { startSecondApi } from '../support/second-api.ts';
import { expectStatus } from '../support/shop.ts';
import { startSystem } from '../support/system.ts';
import { until } from '../support/until.ts';

const { between, interrupt } = interruptions();
const system = await startSystem({ workerDatabase: between });
const { shop, client, sql, startWorker, stopWorker } = system;
const otherApi = startSecondApi(system);

afterEach(() => expectRulesHold(sql));

const REASON = 'scratched';
const BY = { actor: 'dana', reason: 'there is room' };
const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index));
const PENDING = { status: 409, body: { code: 'refund_pending' } };

/** A paid order of 2 units at 500 and 3 units at 334 out of 10 each: 2,002. Its wallet had 5,000. */
async function paid() {
  const price = { amount: 334, currency: 'EUR' };
  const [two, three, wallet] = await Promise.all([shop.sku(10), shop.sku(10, price), shop.wallet(5_000)]);
  const lines = [
    { sku: two, quantity: 2 },
    { sku: three, quantity: 3 },
  ];
  const { id } = expectStatus(await shop.order(wallet, lines), 201).body;
  expectStatus(await shop.pay(id), 200);
  return { id, wallet, two, three };
}

const ask = (id: string, part: object, key: string = randomUUID(), to = shop): Promise<Answer> =>
  to.post(`/v1/orders/${id}/refund`, { reason: REASON, ...part }, { key });

/** Sends the same key until there is a final answer, as callers do. */
const finalAnswer = (id: string, part: object, key: string, to = shop): Promise<Answer> =>
  until('a final answer', async () => {
    const answer = await ask(id, part, key, to);
    return answer.headers.get('retry-after') === null ? answer : undefined;
  });

const refundsOf = async (id: string) => expectStatus(await shop.listOrderRefunds(id), 200).body.items;
const orderOf = async (id: string) => expectStatus(await shop.getOrder(id), 200).body;
const commandOf = async (key: string) => {
  const [row] = await sql<{ id: string }[]>`select command_id as id from idempotency_key where key = ${key}`;
  return row?.id;
};

test('an order stays paid and can be refunded again until nothing of its payment is left', async () => {
  const { id, wallet, two, three } = await paid();
  const first = await ask(id, { amount: 2 });
  expect(first).toMatchObject({
    status: 200,
    body: { stage: 'paid', refunded: 2, total: { amount: 2_002 }, version: 3 },
  });
  const second = await ask(id, {
    lines: [
      { sku: three, quantity: 1, restock: true },
      { sku: two, quantity: 1, restock: false },
      { sku: three, quantity: 1, restock: true },
    ],
  });
  expect(second).toMatchObject({ status: 200, body: { stage: 'paid', refunded: 1_170, version: 4 } });
  expect(await shop.balanceOf(wallet)).toEqual({ posted: 4_168, held: 0 });
  const { lines } = await orderOf(id);
  expect(new Map(lines.map(({ sku, refundedQuantity }) => [sku, refundedQuantity]))).toEqual(
    new Map([
      [two, 1],
      [three, 2],
    ]),
  );
  const last = await shop.refund(id, true);
  expect(last).toMatchObject({ status: 200, body: { stage: 'refunded', refunded: 2_002, version: 5 } });
  expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
  // One of the two units at 500 was not put back.
  expect(await shop.stockOf(two)).toEqual({ onHand: 9, reserved: 0, available: 9 });
  expect(await shop.stockOf(three)).toEqual({ onHand: 10, reserved: 0, available: 10 });
  expect(await refundsOf(id)).toMatchObject([
    { version: 3, amount: 2, currency: 'EUR', reason: REASON, lines: [] },
    {
      version: 4,
      amount: 1_168,
      lines: [
        { sku: two, quantity: 1, amount: 500, restocked: false },
        { sku: three, quantity: 2, amount: 668, restocked: true },
      ].toSorted((a, b) => (a.sku < b.sku ? -1 : 1)),
    },
    {
      version: 5,
      amount: 832,
      reason: 'broken',
      lines: [
        { sku: two, quantity: 1, restocked: true },
        { sku: three, quantity: 1, restocked: true },
      ].toSorted((a, b) => (a.sku < b.sku ? -1 : 1)),
    },
  ]);
  expect((await shop.get(`/v1/orders/${id}/events`)).body['items']).toMatchObject([
    { version: 1 },
    { version: 2, from: 'awaiting_payment', stage: 'paid' },
    { version: 3, from: 'paid', stage: 'paid', reason: REASON },
    { version: 4, from: 'paid', stage: 'paid', reason: REASON },
    { version: 5, from: 'paid', stage: 'refunded', reason: 'broken' },
  ]);
});

test('the refunds of an order are listed page by page, first to last', async () => {
  const { id } = await paid();
  for (const amount of [1, 2, 3]) expectStatus(await ask(id, { amount }), 200);
  const first = (await shop.get(`/v1/orders/${id}/refunds?limit=2`)).body;
  expect(first).toMatchObject({ items: [{ amount: 1 }, { amount: 2 }] });
  const rest = await shop.get(`/v1/orders/${id}/refunds?limit=2&cursor=${String(first['nextCursor'])}`);
  expect(rest).toMatchObject({ status: 200, body: { items: [{ amount: 3 }], nextCursor: null } });
  expect(await shop.get(`/v1/orders/${randomUUID()}/refunds`)).toMatchObject({ status: 404 });
});

describe('at once, with keys of their own, callers who refund', () => {
  test('amounts get no more back than was paid, and each hears whether its own was made', async () => {
    const { id, wallet } = await paid();
    const calls = times(30, (index) => ({
      key: randomUUID(),
      part: { amount: 100 },
      to: index % 2 === 0 ? shop : otherApi,
    }));
    const answers = await Promise.all(calls.map(({ key, part, to }) => finalAnswer(id, part, key, to)));
    const made = calls.filter((_, index) => answers[index]?.status === 200);
    expect(made).toHaveLength(20);
    for (const answer of answers.filter(({ status }) => status !== 200))
      expect(answer).toMatchObject({ status: 409, body: { code: 'refund_exceeds_payment' } });
    expect(await orderOf(id)).toMatchObject({ stage: 'paid', refunded: 2_000 });
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 4_998, held: 0 });
    const commands = await Promise.all(made.map(({ key }) => commandOf(key)));
    expect(new Set((await refundsOf(id)).map(({ commandId }) => commandId))).toEqual(new Set(commands));
    // Each key keeps its own answer.
    for (const [index, { key, part }] of calls.entries()) {
      const again = await ask(id, part, key, otherApi);
      expect(again).toMatchObject({ status: answers[index]?.status, body: answers[index]?.body });
    }
  });

  test('units get each of them back once, and all units of a line bring exactly what it cost', async () => {
    const { id, wallet, two, three } = await paid();
    const parts = [
      ...times(5, () => ({ lines: [{ sku: two, quantity: 1, restock: true }] })),
      ...times(6, () => ({ lines: [{ sku: three, quantity: 1, restock: false }] })),
    ];
    const answers = await Promise.all(parts.map((part) => finalAnswer(id, part, randomUUID())));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(5);
    for (const { body } of answers.filter(({ status }) => status !== 200))
      expect(body['code']).toBeOneOf(['refund_exceeds_units', 'order_not_refundable']);
    expect(await orderOf(id)).toMatchObject({ stage: 'refunded', refunded: 2_002 });
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
    expect(await shop.stockOf(two)).toMatchObject({ onHand: 10 });
    expect(await shop.stockOf(three)).toMatchObject({ onHand: 7 });
  });

  test('parts and cancel the order get back what was paid, once, and nothing of it twice', async () => {
    const { id, wallet, two } = await paid();
    const part: RefundOrder = { reason: REASON, lines: [{ sku: two, quantity: 1, restock: true }] };
    const answers = await Promise.all([
      ...times(3, () => finalAnswer(id, { amount: 700 }, randomUUID())),
      finalAnswer(id, part, randomUUID(), otherApi),
      until('the cancel', async () => {
        const answer = await shop.cancel(id);
        return answer.status < 500 && answer;
      }),
      finalAnswer(id, { restock: true }, randomUUID(), otherApi),
    ]);
    for (const { status, body } of answers)
      if (status !== 200)
        expect(body['code']).toBeOneOf([
          'refund_exceeds_payment',
          'order_not_refundable',
          'order_not_cancellable',
        ]);
    expect(await orderOf(id)).toMatchObject({ stage: 'refunded', refunded: 2_002 });
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
    expect(await shop.stockOf(two)).toMatchObject({ onHand: 10 });
    const made = (await refundsOf(id)).length;
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(made);
  });
});

test('a refund that is sent many times at once with one key is made once, and every answer is the same', async () => {
  const { id } = await paid();
  const key = randomUUID();
  const answers = await Promise.all(
    times(20, (index) => finalAnswer(id, { amount: 300 }, key, index % 2 === 0 ? shop : otherApi)),
  );
  for (const answer of answers)
    expect(answer).toMatchObject({ status: 200, body: { stage: 'paid', refunded: 300, version: 3 } });
  expect(await refundsOf(id)).toMatchObject([{ amount: 300 }]);
  expect(await listRefundWorkflows(system, id)).toHaveLength(1);
});

test('a cancel after refunds in part gives back the rest, and puts only those units back that were not refunded', async () => {
  const { id, wallet, two, three } = await paid();
  expectStatus(await ask(id, { lines: [{ sku: two, quantity: 1, restock: false }] }), 200);
  expectStatus(await ask(id, { amount: 100 }), 200);
  expect(await shop.cancel(id, 'all of it')).toMatchObject({
    status: 200,
    body: { stage: 'refunded', refunded: 2_002, reason: 'all of it' },
  });
  expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
  expect(await shop.stockOf(two)).toMatchObject({ onHand: 9 });
  expect(await shop.stockOf(three)).toMatchObject({ onHand: 10 });
  expect(await ask(id, { amount: 1 })).toMatchObject({ status: 409, body: { code: 'order_not_refundable' } });
});

describe('a refund is refused for good, and nothing is begun,', () => {
  test.each<[string, string, number, (order: Awaited<ReturnType<typeof paid>>) => object, string]>([
    ['of more than was paid', 'refund_exceeds_payment', 409, () => ({ amount: 2_003 }), 'Of 2002 EUR'],
    [
      'of more units than were bought',
      'refund_exceeds_units',
      409,
      ({ two }) => ({ lines: [{ sku: two, quantity: 3, restock: true }] }),
      '(2 of 3)',
    ],
    [
      'of a SKU that was not bought',
      'sku_not_in_order',
      422,
      () => ({ lines: [{ sku: 'OTHER', quantity: 1, restock: true }] }),
      'OTHER',
    ],
  ])('%s: %s', async (_what, code, status, partOf, detail) => {
    const order = await paid();
    const [part, key] = [partOf(order), randomUUID()];
    const first = await ask(order.id, part, key);
    expect(first).toMatchObject({ status, body: { code, detail: expect.stringContaining(detail) } });
    const again = await ask(order.id, part, key);
    expect(again.body).toEqual(first.body);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(await listRefundWorkflows(system, order.id)).toEqual([]);
    expect(await orderOf(order.id)).toMatchObject({ stage: 'paid', refunded: 0, version: 2 });
  });

  test('of an order that is not paid', async () => {
    const id = await shop.placed(await shop.wallet(5_000), await shop.sku(1));
    expect(await ask(id, { amount: 1 })).toMatchObject({
      status: 409,
      body: { code: 'order_not_refundable' },
    });
    expect(await listRefundWorkflows(system, id)).toEqual([]);
  });
});

test('units that cost more than is left of the payment are refused for good, whatever else is refunded', async () => {
  const { id, two } = await paid();
  expectStatus(await ask(id, { amount: 1_600 }), 200);
  const [part, key] = [{ lines: [{ sku: two, quantity: 1, restock: true }] }, randomUUID()];
  const refused = await ask(id, part, key);
  expect(refused).toMatchObject({
    status: 409,
    body: { code: 'refund_exceeds_payment', detail: expect.stringContaining('402 are left') },
  });
  // The answer was lost, and Temporal has the refusal; and then neither has it.
  await forgetAnswer(sql, key);
  expect(await ask(id, part, key)).toMatchObject({ status: 409, body: refused.body });
  expect(await orderOf(id)).toMatchObject({ stage: 'paid', refunded: 1_600 });
  expect(await shop.stockOf(two)).toMatchObject({ onHand: 8 });
});

test.each<[string, object, string]>([
  ['no form', {}, 'body'],
  ['two forms', { amount: 1, restock: true }, 'body'],
  ['an amount of 0', { amount: 0 }, 'amount'],
  ['part of a minor unit', { amount: 1.5 }, 'amount'],
  ['no lines', { lines: [] }, 'lines'],
  ['a line without restock', { lines: [{ sku: 'A', quantity: 1 }] }, 'lines.0.restock'],
])('a refund with %s is refused as invalid', async (_what, part, field) => {
  expect(await ask(randomUUID(), part)).toMatchObject({
    status: 400,
    body: { code: 'validation_failed', errors: [{ field }] },
  });
});

test('a refund with units of one SKU that go back and do not is refused: no line says which', async () => {
  const lines = [true, false].map((restock) => ({ sku: 'A', quantity: 1, restock }));
  expect(await ask(randomUUID(), { lines })).toMatchObject({
    status: 422,
    body: { code: 'incompatible_parameters', errors: [{ field: 'lines.1.restock' }] },
  });
});

describe.concurrent.each<Interruption>([
  'fails before it is sent',
  'commits but loses its answer',
  'commits late',
  'runs twice at once',
])('a refund whose statement %s', (interruption) => {
  test('is made once, and so is each other one of the order', async () => {
    const { id, wallet, two } = await paid();
    const plan = interrupt(
      'refund',
      id,
      times(4, () => interruption),
    );
    const parts = [
      { amount: 100 },
      { amount: 200 },
      { lines: [{ sku: two, quantity: 1, restock: true }] },
      { amount: 400 },
    ];
    const answers = await Promise.all(parts.map((part) => finalAnswer(id, part, randomUUID())));
    for (const answer of answers) expect(answer).toMatchObject({ status: 200, body: { stage: 'paid' } });
    plan.stop();
    await plan.land();
    expect(await orderOf(id)).toMatchObject({ stage: 'paid', refunded: 1_200, version: 6 });
    expect((await refundsOf(id)).map(({ amount }) => amount).toSorted((a, b) => a - b)).toEqual([
      100, 200, 400, 500,
    ]);
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 4_198, held: 0 });
    expect(await shop.stockOf(two)).toMatchObject({ onHand: 9 });
  });
});

describe.concurrent.each(REAPPLY)('a refund in part whose workflow is reset and %s', (reapply) => {
  test('is made once, and answered as made', async () => {
    const { id } = await paid();
    const key = randomUUID();
    const plan = interrupt('refund', id, always('commits but loses its answer'));
    const refunding = ask(id, { amount: 250 }, key);
    await until('the fallback', async () => plan.happened() >= 2);
    const [task] = await completedTasks(client, await refundWorkflowOf(system, id));
    if (!task) throw new Error('The refund has no task.');
    await reset(client, task, reapply);
    plan.stop();
    await refunding;
    expect(await finalAnswer(id, { amount: 250 }, key)).toMatchObject({
      status: 200,
      body: { stage: 'paid', refunded: 250, version: 3 },
    });
    expect(await refundsOf(id)).toMatchObject([{ amount: 250 }]);
  });
});

test('a refund that was made is answered as made after its answer was lost, although others were made since', async () => {
  const { id } = await paid();
  const [key, other] = [randomUUID(), randomUUID()];
  expectStatus(await ask(id, { amount: 2_000 }, key), 200);
  expect(await ask(id, { amount: 3 }, other)).toMatchObject({ body: { code: 'refund_exceeds_payment' } });
  expectStatus(await ask(id, { amount: 1 }), 200);
  for (const lost of [key, other]) await forgetAnswer(sql, lost);
  expect(await ask(id, { amount: 2_000 }, key)).toMatchObject({ status: 200, body: { refunded: 2_001 } });
  expect(await ask(id, { amount: 3 }, other)).toMatchObject({ body: { code: 'refund_exceeds_payment' } });
  expect(await refundsOf(id)).toHaveLength(2);
});

test('refunds that callers sent while no worker ran are made once each when one runs again', async () => {
  const { id, wallet } = await paid();
  await stopWorker();
  const calls = times(4, () => randomUUID());
  const sent = calls.map((key) => ask(id, { amount: 150 }, key));
  await until('the refunds to begin', async () => (await listRefundWorkflows(system, id)).length === 4);
  await startWorker();
  await Promise.all(sent);
  for (const key of calls)
    expect(await finalAnswer(id, { amount: 150 }, key)).toMatchObject({
      status: 200,
      body: { stage: 'paid' },
    });
  expect(await shop.balanceOf(wallet)).toEqual({ posted: 3_598, held: 0 });
  expect(await refundsOf(id)).toHaveLength(4);
});

describe('while the wallet is full,', () => {
  /** Leaves room for this much. */
  async function paidWithRoom(room: number) {
    const order = await paid();
    await fillWallet(sql, order.wallet);
    if (room > 0) await makeRoom(order.wallet, room);
    return order;
  }
  async function makeRoom(wallet: string, amount: number): Promise<void> {
    const id = await shop.placed(wallet, await shop.sku(1, { amount, currency: 'EUR' }));
    expectStatus(await shop.pay(id), 200);
  }

  test('each refund waits for itself: what fits is made, and the rest once there is room', async () => {
    const { id, wallet } = await paidWithRoom(100);
    const [large, small] = [randomUUID(), randomUUID()];
    expect(await ask(id, { amount: 300 }, large)).toMatchObject(PENDING);
    const waiting = await refundHandleOf(system, id);
    expect((await shop.get(`/v1/orders/${id}`)).body['attention']).toMatchObject({ reason: 'wallet_full' });
    expect((await shop.get('/v1/attention')).body['items']).toMatchObject([
      { orderId: id, reason: 'wallet_full', workflowId: waiting.workflowId },
    ]);
    expect(await ask(id, { amount: 100 }, small)).toMatchObject({ status: 200, body: { refunded: 100 } });
    expect(await ask(id, { amount: 300 }, large)).toMatchObject(PENDING);
    await makeRoom(wallet, 300);
    expect(await waiting.result()).toMatchObject({ stage: 'paid' });
    expect(await ask(id, { amount: 300 }, large)).toMatchObject({ status: 200, body: { refunded: 400 } });
    expect(await shop.balanceOf(wallet)).toEqual({ posted: Number.MAX_SAFE_INTEGER, held: 0 });
    await until('the mark to clear', async () => (await orderOf(id)).attention === undefined);
  });

  test('a refund that waits is refused once what it is of was given back by others', async () => {
    const { id, wallet, two } = await paidWithRoom(1_000);
    const [key, other] = [randomUUID(), randomUUID()];
    const [part, amount] = [{ lines: [{ sku: two, quantity: 2, restock: true }] }, { amount: 1_010 }];
    await makeRoom(wallet, 5);
    expectStatus(await ask(id, { amount: 6 }), 200);
    expect(await ask(id, part, key)).toMatchObject(PENDING);
    expect(await ask(id, amount, other)).toMatchObject(PENDING);
    const waiting = await listRefundWorkflows(system, id);
    await makeRoom(wallet, 11);
    await until('one of the two', async () => (await refundsOf(id)).length === 2);
    const results = waiting.map((workflowId) => client.workflow.getHandle(workflowId).result());
    expect((await Promise.allSettled(results)).map(({ status }) => status).toSorted()).toEqual([
      'fulfilled',
      'fulfilled',
      'rejected',
    ]);
    const answers = [await finalAnswer(id, part, key), await finalAnswer(id, amount, other)];
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 409]));
    for (const answer of answers)
      if (answer.status !== 200) expect(answer).toMatchObject({ body: { code: 'refund_exceeds_payment' } });
  });

  test('a refund that waits and whose workflow was terminated is begun again when its caller asks again', async () => {
    const { id, wallet } = await paidWithRoom(0);
    const key = randomUUID();
    expect(await ask(id, { amount: 10 }, key)).toMatchObject(PENDING);
    const waiting = await refundHandleOf(system, id);
    await waiting.terminate('by mistake');
    await makeRoom(wallet, 10);
    expect(await ask(id, { amount: 10 }, key)).toMatchObject({ status: 200, body: { refunded: 10 } });
  });

  test('a bounded number of refunds of an order waits, and each of these can be asked for again', async () => {
    const { id, wallet } = await paidWithRoom(0);
    const keys = times(REFUNDS_WAITING, () => randomUUID());
    for (const key of keys) expect(await ask(id, { amount: 10 }, key)).toMatchObject(PENDING);
    const refused = await ask(id, { amount: 10 });
    expect(refused).toMatchObject({ status: 409, body: { code: 'order_busy' } });
    expect(await listRefundWorkflows(system, id)).toHaveLength(REFUNDS_WAITING);
    for (const key of keys) expect(await ask(id, { amount: 10 }, key)).toMatchObject(PENDING);
    await makeRoom(wallet, 10 * REFUNDS_WAITING);
    for (const workflowId of await listRefundWorkflows(system, id))
      await client.workflow
        .getHandle(workflowId)
        .executeUpdate(retryNowUpdate, { args: [BY] })
        .catch(() => {});
    for (const key of keys) expect(await finalAnswer(id, { amount: 10 }, key)).toMatchObject({ status: 200 });
    expect(await orderOf(id)).toMatchObject({ refunded: 10 * REFUNDS_WAITING });
  });
});
