/** More orders at once than can be placed: each caller is answered in time, a refused order begins nothing, and every caller who comes back as asked is admitted. */
import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createApi } from '../../api/app.ts';
import { openOrderClient } from '../../client/orders.ts';
import { openDatabase } from '../../db/connection.ts';
import { overload } from '../support/busy.ts';
import { isOverloaded, obey, retryAfterOf } from '../support/obey.ts';
import { expectRulesHold } from '../support/database.ts';
import type { Answer } from '../support/answer.ts';
import { Shop, expectStatus, idOf } from '../support/shop.ts';
import { startSystem } from '../support/system.ts';
import { lockSku } from '../support/obstacles.ts';
import { until } from '../support/until.ts';

const system = await startSystem();
const { shop, sql, url } = system;

let lockedSku = '';
let unlock: (() => Promise<void>) | undefined;
let wallet = '';
beforeEach(async () => {
  [lockedSku, wallet] = await Promise.all([shop.sku(10_000), shop.wallet(1_000_000)]);
});
afterEach(async () => {
  await unlock?.();
  unlock = undefined;
  await expectRulesHold(sql);
});

/** Stands for another API process: it shares no memory with the first. */
async function withAnotherApi<T>(use: (other: Shop) => Promise<T>): Promise<T> {
  const database = openDatabase(url, { connections: 10, name: 'another API' });
  const temporal = openOrderClient(system.reach);
  const api = createApi({
    database,
    temporal,
    logger: pino({ level: 'silent' }),
    paymentWindow: 900_000,
    attentionAfter: 120_000,
  });
  try {
    return await use(new Shop((path, init) => api.request(path, init)));
  } finally {
    await Promise.all([database.close(), temporal.close()]);
  }
}

const claimed = async (key: string): Promise<boolean> =>
  (await sql`select from idempotency_key where key = ${key}`).length > 0;

/** Frees the lock and waits until every call is answered. */
async function settle(sent: readonly Promise<Answer>[]): Promise<void> {
  await unlock?.();
  unlock = undefined;
  await Promise.all(sent);
}

test('300 simultaneous orders through two API processes are all placed, and none is answered too late', async () => {
  const sku = await shop.sku(300);
  const answers: Answer[] = [];
  await withAnotherApi(async (other) => {
    let turn = 0;
    const placed = await Promise.all(
      Array.from({ length: 300 }, () => {
        const key = randomUUID();
        const send = () =>
          (turn++ % 2 === 0 ? shop : other).order(wallet, [{ sku, quantity: 1 }], {}, { key });
        return obey(send, answers);
      }),
    );
    expect(new Set(placed.map((answer) => idOf(expectStatus(answer, 201)))).size).toBe(300);
  });
  expect(answers.filter(isOverloaded).length).toBeGreaterThan(0);
  const others = answers.filter((answer) => answer.status !== 201 && !isOverloaded(answer));
  expect(others.map(({ status, body }) => ({ status, code: body['code'] }))).toEqual([]);
  expect(await shop.stockOf(sku)).toEqual({ onHand: 300, reserved: 300, available: 0 });
});

test('an order that is refused for load claims no key and reserves nothing', async () => {
  unlock = await lockSku(sql, lockedSku);
  const sent = await overload(shop, lockedSku, wallet);
  const free = await shop.sku(5);
  const key = randomUUID();
  const refused = await shop.order(wallet, [{ sku: free, quantity: 1 }], {}, { key });
  expect(refused).toMatchObject({ status: 503, body: { code: 'overloaded' } });
  expect(retryAfterOf(refused)).toBeGreaterThanOrEqual(1);
  expect(await claimed(key)).toBe(false);
  await settle(sent);
  expect(await claimed(key)).toBe(false);
  expect(await shop.stockOf(free)).toEqual({ onHand: 5, reserved: 0, available: 5 });
});

test('retries, payments, cancels and refunds are carried out while new orders are refused', async () => {
  const sku = await shop.sku(10);
  const [key, payKey] = [randomUUID(), randomUUID()];
  const create = () => shop.order(wallet, [{ sku, quantity: 1 }], {}, { key });
  const first = expectStatus(await create(), 201);
  const cancelled = await shop.placed(wallet, sku);
  unlock = await lockSku(sql, lockedSku);
  const underWay = randomUUID();
  const createLocked = () => shop.order(wallet, [{ sku: lockedSku, quantity: 1 }], {}, { key: underWay });
  const waiting = createLocked();
  await until('the order to be begun', () => claimed(underWay));
  const sent = await overload(shop, lockedSku, wallet);

  expect((await create()).body).toEqual(first.body);
  expect(await createLocked()).toMatchObject({ body: { code: 'idempotency_in_progress' } });
  expectStatus(await shop.pay(idOf(first), { key: payKey }), 200);
  expectStatus(await shop.pay(idOf(first), { key: payKey }), 200);
  expectStatus(await shop.cancel(cancelled), 200);
  expectStatus(await shop.refund(idOf(first), true), 200);
  expect(await shop.order(wallet, [{ sku, quantity: 1 }])).toMatchObject({ body: { code: 'overloaded' } });

  await settle([...sent, waiting]);
});

test('a refused caller keeps its turn at another API process, ahead of newcomers', async () => {
  unlock = await lockSku(sql, lockedSku);
  const sku = await shop.sku(5);
  const key = randomUUID();
  const order = (at: Shop, options: { key?: string } = {}) =>
    at.order(wallet, [{ sku, quantity: 1 }], {}, options);
  const sent = await overload(shop, lockedSku, wallet);
  const promised = retryAfterOf(await order(shop, { key }));
  await withAnotherApi(async (other) => {
    sent.push(...(await overload(other, lockedSku, wallet)));
    const early = await until('the ticket to be written', async () => {
      const [ticket] = await sql`select from admission_ticket where key = ${key}`;
      return ticket === undefined ? undefined : order(other, { key });
    });
    expect(early).toMatchObject({ status: 503, body: { code: 'overloaded' } });
    expect(retryAfterOf(early)).toBeLessThanOrEqual(promised);

    // The promised second has arrived.
    await sql`update admission_ticket set due = now() where key = ${key}`;
    const kept = order(other, { key });
    const newcomer = await order(other);
    expect(newcomer).toMatchObject({ status: 503, body: { code: 'overloaded' } });
    await settle(sent);
    expectStatus(await kept, 201);
  });
});

test('an order whose caller hangs up while it waits is not placed', async () => {
  unlock = await lockSku(sql, lockedSku);
  const sku = await shop.sku(5);
  const caller = new AbortController();
  const key = randomUUID();
  const sent: Promise<Answer>[] = [];
  const waiting = await withAnotherApi(async (other) => {
    for (let count = 0; count < 10; count += 1)
      sent.push(other.order(wallet, [{ sku: lockedSku, quantity: 1 }]));
    await until('as many orders to be begun as may be', async () => {
      const [begun] = await sql<{ count: number }[]>`
        select count(*)::integer as count from idempotency_key
        where operation = 'createOrder' and response_status is null
      `;
      return begun?.count === 10;
    });
    const headers = { 'content-type': 'application/json', 'idempotency-key': key };
    const body = JSON.stringify({ buyerId: 'buyer', walletId: wallet, lines: [{ sku, quantity: 1 }] });
    const order = other.raw('/v1/orders', { method: 'POST', headers, body, signal: caller.signal });
    // It waits for its turn for almost 2 s, so it has arrived by now.
    await delay(100);
    caller.abort();
    await order;
    await settle(sent);
    return order;
  });
  expect(waiting).toMatchObject({ status: 503 });
  expect(await claimed(key)).toBe(false);
  expect(await shop.stockOf(sku)).toEqual({ onHand: 5, reserved: 0, available: 5 });
});

test('3,000 simultaneous requests for lists are answered or refused in time, and hold up neither a deposit nor readiness', async () => {
  const path = `/v1/wallets/${wallet}/deposits`;
  await shop.placed(wallet, await shop.sku(1));
  const lists = Array.from({ length: 3_000 }, () => shop.get('/v1/orders'));
  const [deposit, ready] = await Promise.all([shop.post(path, { amount: 5 }), shop.get('/readyz')]);
  expectStatus(deposit, 201);
  expectStatus(ready, 200);
  const answers = await Promise.all(lists);
  const others = answers.filter((answer) => answer.status !== 200 && !isOverloaded(answer));
  expect(others.map(({ status, body }) => ({ status, body }))).toEqual([]);
  const refused = answers.filter(isOverloaded);
  expect(refused.length).toBeGreaterThan(0);
  expect(refused.map(retryAfterOf).every((seconds) => seconds <= 120)).toBe(true);
  // A caller who comes back after that time is answered.
  expectStatus(await obey(() => shop.get('/v1/orders')), 200);
});
