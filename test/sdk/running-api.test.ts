/** The client with the real API: what it returns and throws, what it repeats, and that each intent has its effect once. */
import { randomUUID } from 'node:crypto';
import { createHoldfast, isProblem, type Event, type Holdfast, type HoldfastOptions } from '@holdfast/client';
import { afterEach, describe, expect, inject, test } from 'vitest';
import { freePort } from '../../dev/ports.ts';
import { expectRulesHold } from '../support/database.ts';
import { serve } from '../support/http.ts';
import { GENEROUS_SETTINGS } from '../support/limits.ts';
import { TEST_KEYS } from '../support/personal-data.ts';
import { startProxy } from '../support/proxy.ts';
import { startScript, type TestProcess } from '../support/server-process.ts';
import { startSystem } from '../support/system.ts';
import { until } from '../support/until.ts';

const system = await startSystem({ publishing: true });
const { shop, sql, url, taskQueue } = system;
const wire = await serve(system);
const proxy = await startProxy(wire.url);
afterEach(() => expectRulesHold(sql));

const connect = (address: string, options: Partial<HoldfastOptions> = {}): Holdfast =>
  createHoldfast({ address, key: inject('developmentKey'), ...options });
const holdfast = connect(wire.url);

const ordersOf = async (walletId: string): Promise<string[]> => {
  const rows = await sql<{ id: string }[]>`select id from orders where wallet_id = ${walletId}`;
  return rows.map(({ id }) => id);
};

const stagesIn = async (stream: AsyncIterable<Event>): Promise<string[]> => {
  const stages: string[] = [];
  for await (const { data } of stream) stages.push(data.stage);
  return stages;
};

const intent = async (units = 5) => {
  const [sku, walletId] = [await shop.sku(units), await shop.wallet(10_000)];
  return { sku, walletId, body: { buyerId: 'buyer', walletId, lines: [{ sku, quantity: 1 }] } };
};

test('an order goes from its place to its refund, typed by the document', async () => {
  const { sku, walletId, body } = await intent();
  const placed = await holdfast.createOrder(body);
  expect(placed).toMatchObject({ stage: 'awaiting_payment', total: { amount: 500, currency: 'EUR' } });
  expect((await holdfast.payOrder(placed.id)).stage).toBe('paid');
  const refunded = await holdfast.refundOrder(placed.id, { reason: 'broken', restock: true });
  expect(refunded.stage).toBe('refunded');
  expect((await holdfast.getSku(sku)).available).toBe(5);
  expect((await holdfast.getWallet(walletId)).posted).toBe(10_000);
  expect(await holdfast.getOrder(placed.id)).toEqual(refunded);
});

test('a call without an answer resolves with nothing', async () => {
  const { walletId } = await intent();
  await holdfast.allowBuyer(walletId, 'other buyer/with a slash');
  expect(await holdfast.getWalletPermission(walletId, 'other buyer/with a slash')).toMatchObject({
    buyerId: 'other buyer/with a slash',
  });
  expect(await holdfast.disallowBuyer(walletId, 'other buyer/with a slash')).toBeUndefined();
});

test('a refusal is thrown as a problem with a closed code and what belongs to it', async () => {
  const { sku, body } = await intent(1);
  const error: unknown = await holdfast
    .createOrder({ ...body, lines: [{ sku, quantity: 2 }] }, { idempotencyKey: `too many of ${sku}` })
    .catch((thrown: unknown) => thrown);
  if (!isProblem(error, 'out_of_stock', 'unknown_sku')) throw error;
  // The compiler knows which two it can be.
  const code: 'out_of_stock' | 'unknown_sku' = error.code;
  expect(code).toBe('out_of_stock');
  expect(error.document.orderId).toMatch(/^[0-9a-f-]{36}$/);
  expect(error).toMatchObject({
    status: 409,
    idempotencyKey: `too many of ${sku}`,
    requestId: expect.any(String),
  });
  const invalid: unknown = await holdfast.getOrder('none').catch((thrown: unknown) => thrown);
  expect(isProblem(invalid, 'validation_failed') && invalid.document.errors?.[0]?.field).toBe('id');
});

test('the layer below resolves with headers and problems, for conditions and entity tags', async () => {
  const { sku } = await intent();
  const read = await holdfast.http.GET('/v1/skus/{sku}', { params: { path: { sku } } });
  const tag = read.response.headers.get('etag') ?? '';
  const body = { name: 'Renamed', price: { amount: 600, currency: 'EUR' } };
  const put = { params: { path: { sku }, header: { 'If-Match': tag } }, body };
  expect((await holdfast.http.PUT('/v1/skus/{sku}', put)).data?.name).toBe('Renamed');
  const stale = await holdfast.http.PUT('/v1/skus/{sku}', put);
  expect([stale.response.status, stale.error?.code]).toEqual([412, 'precondition_failed']);
});

test('an iteration has every item once, however many pages it takes', async () => {
  const buyerId = randomUUID();
  const { sku } = await intent(7);
  const walletId = await shop.wallet(10_000, 'EUR', buyerId);
  const placed: string[] = [];
  for (let count = 0; count < 7; count += 1)
    placed.push((await holdfast.createOrder({ buyerId, walletId, lines: [{ sku, quantity: 1 }] })).id);
  const walked: string[] = [];
  for await (const { id } of holdfast.iterateOrders({ buyerId, limit: 3 })) walked.push(id);
  expect(walked).toEqual(placed.toReversed());
  const first = await holdfast.listOrders({ buyerId, limit: 3 });
  expect([first.items.length, first.nextCursor]).toEqual([3, expect.any(String)]);
});

describe('each intent has exactly one order when', () => {
  test('answers are lost on the way, and the retry gets the answer that was lost', async () => {
    const { walletId, body } = await intent();
    const impatient = connect(proxy.through(wire.url), { timeout: 1_000 });
    await impatient.getWallet(walletId);
    proxy.cut('answers');
    const placing = impatient.createOrder(body);
    await until('the order to be placed', async () => (await ordersOf(walletId)).length > 0 || undefined);
    proxy.heal('lost');
    const { id } = await placing;
    expect(await ordersOf(walletId)).toEqual([id]);

    proxy.cut('answers');
    const paying = impatient.payOrder(id);
    await until('the payment', async () => (await shop.stageOf(id)) === 'paid' || undefined);
    proxy.heal('lost');
    expect((await paying).stage).toBe('paid');
    expect(await shop.balanceOf(walletId)).toEqual({ posted: 9_500, held: 0 });
  });

  test('the API is killed in the middle of its work, and started again', async () => {
    const port = await freePort();
    const start = async (): Promise<TestProcess> => {
      const api = startScript('api/main.ts', {
        DATABASE_URL: url,
        TEMPORAL_ADDRESS: inject('temporalAddress'),
        TASK_QUEUE: taskQueue,
        ...TEST_KEYS,
        ...GENEROUS_SETTINGS,
        PORT: String(port),
      });
      await api.says('listening');
      return api;
    };
    const victim = await start();
    const caller = connect(`http://127.0.0.1:${port}`, { patience: 60_000 });
    const { sku } = await intent(1_000);
    const wallets = await Promise.all(Array.from({ length: 8 }, () => shop.wallet(0)));
    const over = new AbortController();
    const callers = wallets.map(async (walletId) => {
      const placed: string[] = [];
      while (!over.signal.aborted)
        placed.push(
          (await caller.createOrder({ buyerId: 'buyer', walletId, lines: [{ sku, quantity: 1 }] })).id,
        );
      return placed;
    });
    const count = async (): Promise<number> =>
      (await sql`select from orders where wallet_id in ${sql(wallets)}`).length;
    const watched = await holdfast.createOrder({
      buyerId: 'buyer',
      walletId: wallets[0] ?? '',
      lines: [{ sku, quantity: 1 }],
    });
    const stages = stagesIn(caller.stream(watched.id));
    await until('some orders', async () => (await count()) > 10);
    victim.child.kill('SIGKILL');
    await victim.ended;
    const before = await count();
    await start();
    await holdfast.cancelOrder(watched.id, { reason: 'enough' });
    expect(await stages).toEqual(['awaiting_payment', 'cancelled']);
    await until('more orders', async () => (await count()) > before + 10);
    over.abort();
    const placed = await Promise.all(callers);
    for (const [index, walletId] of wallets.entries())
      expect((await ordersOf(walletId)).filter((id) => id !== watched.id).toSorted()).toEqual(
        placed[index]?.toSorted(),
      );
    expect(await shop.stockOf(sku)).toMatchObject({ reserved: placed.flat().length });
  }, 90_000);

  test('two processes of a shop send it at once under the same key', async () => {
    const { walletId, body } = await intent();
    const options = { idempotencyKey: `basket of ${walletId}` };
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => connect(wire.url).createOrder(body, options)),
    );
    expect(new Set(answers.map(({ id }) => id))).toEqual(new Set(await ordersOf(walletId)));
    expect(await ordersOf(walletId)).toHaveLength(1);
  });
});

test('a caller at its limit waits as long as Retry-After says, and is then let in', async () => {
  const limited = await serve(system, {
    rateLimits: {
      windowMs: 2_000,
      quotas: { reads: 3, writes: 1_000, orders: 1_000, admin: 1_000 },
      failedAuthentications: 1_000,
    },
  });
  const { sku } = await intent();
  // A caller of its own: the APIs of this file have other limits for the one of the other tests.
  const { text: key = '' } = await holdfast.createKey({ name: 'limited', roles: ['merchant'] });
  const pauses: number[] = [];
  const caller = connect(limited.url, {
    key,
    clock: {
      now: () => performance.now(),
      random: () => 0,
      sleep(ms) {
        pauses.push(ms);
        return new Promise((resolve) => {
          setTimeout(resolve, ms);
        });
      },
    },
  });
  for (let reads = 0; reads < 4; reads += 1) await caller.getSku(sku);
  // One pause, of whole seconds as the header has them, and no second refusal.
  expect(pauses).toHaveLength(1);
  expect([1_000, 2_000]).toContain(pauses[0]);
});

describe('the stream of an order', () => {
  test('has every event once and in order, over connections that break and one that falls silent', async () => {
    const breaking = await serve(system);
    const { body } = await intent();
    const { id } = await holdfast.createOrder(body);
    const broken = connect(breaking.url).stream(id);
    const silent = connect(proxy.through(wire.url)).stream(id, { silence: 1_000 });
    for (const stream of [broken, silent])
      expect(await stream.next()).toMatchObject({
        value: { type: 'order.awaiting_payment', data: { orderId: id, version: 1 } },
      });
    proxy.cut();
    breaking.server.closeAllConnections();
    await holdfast.payOrder(id);
    proxy.heal('lost');
    for (const stream of [broken, silent])
      expect(await stream.next()).toMatchObject({
        value: { type: 'order.paid', data: { version: 2, from: 'awaiting_payment' } },
      });
    breaking.server.closeAllConnections();
    await holdfast.refundOrder(id, { reason: 'broken', restock: true });
    expect(await stagesIn(broken)).toEqual(['refunded']);
    expect(await stagesIn(silent)).toEqual(['refunded']);
    // A caller who has all of it hears that nothing follows.
    expect(await stagesIn(holdfast.stream(id, { after: 3 }))).toEqual([]);
    expect(await stagesIn(holdfast.stream(id, { after: 1 }))).toEqual(['paid', 'refunded']);
  });

  test('fails with the problem of an order that the caller cannot see, and ends with the signal', async () => {
    const none = holdfast.stream(randomUUID());
    await expect(none.next()).rejects.toMatchObject({ code: 'not_found' });
    const { body } = await intent();
    const { id } = await holdfast.createOrder(body);
    const leaving = new AbortController();
    const stream = holdfast.stream(id, { signal: leaving.signal });
    await stream.next();
    setTimeout(() => leaving.abort(new Error('The buyer left.')), 50);
    await expect(stream.next()).rejects.toThrow('The buyer left.');
  });
});

test('who follows the events of the shop page by page misses none, and goes on after a cursor', async () => {
  const { body } = await intent(20);
  const placed = await Promise.all(Array.from({ length: 8 }, () => holdfast.createOrder(body)));
  const missing = new Set(placed.map(({ id }) => `${id}-1`));
  const sequences: number[] = [];
  let cursor: string | undefined;
  for await (const page of holdfast.followEvents({
    limit: 5,
    every: 50,
    signal: AbortSignal.timeout(20_000),
  })) {
    for (const { id, sequence } of page.items) {
      missing.delete(id);
      sequences.push(sequence);
    }
    cursor = page.nextCursor;
    if (missing.size === 0) break;
  }
  expect(sequences).toEqual(sequences.map((_, index) => index + 1));
  await holdfast.cancelOrder(placed[0]?.id ?? '', { reason: 'changed my mind' });
  for await (const { items } of holdfast.followEvents({
    after: cursor ?? '',
    every: 50,
    type: 'order.cancelled',
  })) {
    expect(items.map(({ id }) => id)).toEqual([`${placed[0]?.id}-2`]);
    break;
  }
});
