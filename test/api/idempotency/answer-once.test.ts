/** The same key and request have one effect and one answer, whatever crashes. */
import { createHash, randomUUID } from 'node:crypto';
import { OpenAPIHono, createRoute, z } from '@hono/zod-openapi';
import { Hono } from 'hono';
import { requestId } from 'hono/request-id';
import { pino } from 'pino';
import { afterEach, describe, expect, test } from 'vitest';
import { createApi } from '../../../api/app.ts';
import type { ApiEnv } from '../../../api/env.ts';
import { answerOnce } from '../../../api/idempotency/answer-once.ts';
import { createWalletBody } from '../../../api/schemas/wallets.ts';
import { openOrderClient } from '../../../client/orders.ts';
import { MAIN_SHOP } from '../../../domain/shops.ts';
import { expectRulesHold } from '../../support/database.ts';
import { JSON_TYPE, WALLET, expectProblem, findClaims, postBytes, serve } from '../../support/http.ts';
import { Shop, expectStatus, idOf } from '../../support/shop.ts';
import { forgetAnswer } from '../../support/idempotency-keys.ts';
import { startSystem } from '../../support/system.ts';
import { until } from '../../support/until.ts';

const system = await startSystem();
const { shop, sql } = system;
const wire = await serve(system);

afterEach(() => expectRulesHold(sql));

/** The address to deposit into a new wallet. */
const newDepositPath = async () => `/v1/wallets/${await shop.wallet(0)}/deposits`;

/** Places an order, and returns it with a function that sends the same request again. */
const placeAnOrder = async () => {
  const [sku, wallet, key] = [await shop.sku(10), await shop.wallet(5_000), randomUUID()];
  const create = () => shop.order(wallet, [{ sku, quantity: 1 }], {}, { key });
  return { sku, wallet, key, create, id: idOf(expectStatus(await create(), 201)) };
};

describe('an idempotency key', () => {
  test.each([
    ['missing', {}, 'idempotency_key_missing'],
    ['empty', { 'idempotency-key': '' }, 'idempotency_key_missing'],
    ['too long', { 'idempotency-key': 'x'.repeat(256) }, 'idempotency_key_invalid'],
    ['not ASCII', { 'idempotency-key': 'ké' }, 'idempotency_key_invalid'],
  ])('that is %s is refused', async (_, key, code) => {
    const headers = { 'content-type': 'application/json', ...key };
    const answer = await shop.raw(await newDepositPath(), { method: 'POST', headers, body: '{"amount":1}' });
    expect(answer).toMatchObject({ status: 400, body: { code } });
  });

  test('that is sent again gets its first answer, marked as replayed', async () => {
    const [path, key] = [await newDepositPath(), randomUUID()];
    const first = expectStatus(await shop.post(path, { amount: 5 }, { key }), 201);
    await shop.post(path, { amount: 7 });
    const again = expectStatus(await shop.post(path, { amount: 5 }, { key }), 201);
    expect(again.body).toEqual(first.body);
    expect(first.headers.get('idempotency-replayed')).toBeNull();
    expect(again.headers.get('idempotency-replayed')).toBe('true');
  });

  test.each([
    ['a success', 10],
    ['a refusal', 0],
  ])('that is sent again after %s gets the same status, headers and bytes', async (_, units) => {
    const [sku, walletId, key] = [await shop.sku(units), await shop.wallet(5_000), randomUUID()];
    const order = JSON.stringify({ buyerId: 'buyer', walletId, lines: [{ sku, quantity: 1 }] });
    const post = () => wire.send(postBytes(order, { key, path: '/v1/orders', headers: [JSON_TYPE] }));
    const [first, again] = [await post(), await post()];
    expect({ status: again.status, body: again.body }).toEqual({ status: first.status, body: first.body });
    expect(first.status).toBe(units === 0 ? 409 : 201);
    for (const name of ['location', 'content-type', 'content-length'])
      expect([name, again.headers.get(name)]).toEqual([name, first.headers.get(name)]);
    expect(first.headers.get('idempotency-replayed')).toBeNull();
    expect(again.headers.get('idempotency-replayed')).toBe('true');
  });

  test('that is sent again gets its first refusal', async () => {
    const [sku, wallet, key] = [await shop.sku(1), await shop.wallet(0), randomUUID()];
    const first = await shop.order(wallet, [{ sku, quantity: 2 }], {}, { key });
    expect(first).toMatchObject({ status: 409, body: { code: 'out_of_stock' } });
    await shop.put(`/v1/skus/${sku}`, { name: 'Test', price: { amount: 500, currency: 'EUR' }, onHand: 5 });
    expect(await shop.order(wallet, [{ sku, quantity: 2 }], {}, { key })).toMatchObject({
      status: 409,
      body: first.body,
    });
  });

  test('is refused for a different request, and is a separate key for another operation', async () => {
    const [path, key] = [await newDepositPath(), randomUUID()];
    expectStatus(await shop.post(path, { amount: 5 }, { key }), 201);
    expect(await shop.post(path, { amount: 6 }, { key })).toMatchObject({
      status: 422,
      body: { code: 'idempotency_key_reused' },
    });
    expect(await shop.post(await newDepositPath(), { amount: 5 }, { key })).toMatchObject({
      body: { code: 'idempotency_key_reused' },
    });
    expectStatus(await shop.post('/v1/wallets', { ownerId: 'o', currency: 'EUR' }, { key }), 201);
  });

  test('is accepted for the same request with its members in another order', async () => {
    const key = randomUUID();
    expectStatus(await shop.post('/v1/wallets', { ownerId: 'o', currency: 'EUR' }, { key }), 201);
    const again = expectStatus(
      await shop.post('/v1/wallets', { currency: 'EUR', ownerId: 'o' }, { key }),
      201,
    );
    expect(again.headers.get('idempotency-replayed')).toBe('true');
  });

  test('that arrives ten times at once has one effect', async () => {
    const [sku, wallet, key] = [await shop.sku(50), await shop.wallet(0), randomUUID()];
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => shop.order(wallet, [{ sku, quantity: 1 }], {}, { key })),
    );
    const placed = answers.filter(({ status }) => status === 201);
    expect(new Set(placed.map(idOf)).size).toBe(1);
    for (const { status, headers, body } of answers) {
      if (status === 201) continue;
      expect({ status, code: body['code'] }).toEqual({ status: 409, code: 'idempotency_in_progress' });
      expect(headers.get('retry-after')).toBe('1');
    }
    expect(await shop.stockOf(sku)).toEqual({ onHand: 50, reserved: 1, available: 49 });
  });
});

describe('an Idempotency-Key header', () => {
  const headers = [JSON_TYPE];

  test.each([
    ['the same value', 'Idempotency-Key: K'],
    ['another value', 'Idempotency-Key: L'],
    ['the same value and its name in capitals', 'IDEMPOTENCY-KEY: K'],
    ['no value', 'Idempotency-Key:'],
  ])('that is sent twice, the second time with %s, is refused', async (_, second) => {
    expectProblem(
      await wire.send(postBytes(WALLET, { key: 'K', headers: [...headers, second] })),
      400,
      'idempotency_key_invalid',
    );
  });

  test('that a proxy joined with its own copy is refused', async () => {
    const answer = await system.shop.raw('/v1/wallets', {
      method: 'POST',
      body: WALLET,
      headers: [
        ['content-type', 'application/json'],
        ['idempotency-key', 'K'],
        ['idempotency-key', 'K'],
      ],
    });
    expect(answer).toMatchObject({ status: 400, body: { code: 'idempotency_key_invalid' } });
  });

  test('with a comma is a single key', async () => {
    const key = `${randomUUID()}, ${randomUUID()}`;
    const first = await wire.send(postBytes(WALLET, { key, headers }));
    const again = await wire.send(postBytes(WALLET, { key, headers }));
    expect(first).toMatchObject({ status: 201 });
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(again.body).toBe(first.body);
    expect(await findClaims(sql, key)).toHaveLength(1);
  });

  test('may consist of the same value twice with a comma in between', async () => {
    expect(await wire.send(postBytes(WALLET, { key: 'K, K', headers }))).toMatchObject({ status: 201 });
  });

  test.each([
    ['an emoji', '😀'],
    ['a combining mark', 'e\u0301'],
  ])('with %s is refused', async (_, key) => {
    const utf8 = Buffer.from(key).toString('latin1');
    expectProblem(await wire.send(postBytes(WALLET, { key: utf8, headers })), 400, 'idempotency_key_invalid');
  });
});

describe('an idempotency key of another release', () => {
  /** Stores the fingerprint that 0.3 took: of the parsed body, with its defaults and trimmed texts. */
  const keepAsIn03 = async (key: string, request: string) => {
    const fingerprint = createHash('sha256').update(request).digest('hex');
    const kept = await sql`update idempotency_key set fingerprint = ${fingerprint} where key = ${key}`;
    expect(kept.count).toBe(1);
  };

  test('that 0.3 stored with a default is recognised whether or not the body spells the default out', async () => {
    const { sku, wallet, key, create, id } = await placeAnOrder();
    await keepAsIn03(
      key,
      `{"json":{"buyerId":"buyer","lines":[{"quantity":1,"sku":"${sku}"}],"paymentMode":"debit","walletId":"${wallet}"}}`,
    );
    expect(await create()).toMatchObject({ status: 201, body: { id } });
    const lines = [{ sku, quantity: 1 }];
    const spelledOut = await shop.order(wallet, lines, { paymentMode: 'debit' }, { key });
    expect(spelledOut).toMatchObject({ status: 201, body: { id } });
    expect(await shop.order(wallet, lines, { paymentMode: 'hold' }, { key })).toMatchObject({
      status: 422,
      body: { code: 'idempotency_key_reused' },
    });
  });

  test('that 0.3 stored for a trimmed reason and a lower-case id is recognised', async () => {
    const { id, wallet } = await placeAnOrder();
    const [key, other] = [randomUUID(), randomUUID()];
    const cancel = () => shop.cancel(id, ' changed my mind\n', { key });
    const first = expectStatus(await cancel(), 200);
    await keepAsIn03(key, `{"json":{"reason":"changed my mind"},"param":{"id":"${id}"}}`);
    expect((await cancel()).body).toEqual(first.body);

    const order = {
      buyerId: 'buyer',
      walletId: wallet.toUpperCase(),
      lines: [{ sku: await shop.sku(1), quantity: 1 }],
    };
    const placed = expectStatus(await shop.post('/v1/orders', order, { key: other }), 201);
    await keepAsIn03(
      other,
      `{"json":{"buyerId":"buyer","lines":[{"quantity":1,"sku":"${order.lines[0]?.sku}"}],"paymentMode":"debit","walletId":"${wallet}"}}`,
    );
    expect((await shop.post('/v1/orders', order, { key: other })).body).toEqual(placed.body);
  });

  test('that 0.3 left without an answer has its request carried out again under its first command id', async () => {
    const { sku, wallet, key, create, id } = await placeAnOrder();
    await keepAsIn03(
      key,
      `{"json":{"buyerId":"buyer","lines":[{"quantity":1,"sku":"${sku}"}],"paymentMode":"debit","walletId":"${wallet}"}}`,
    );
    await forgetAnswer(sql, key);
    expect(await create()).toMatchObject({ status: 201, body: { id } });
  });

  test('is recognised by a release that adds a default', async () => {
    const key = randomUUID();
    const body = { ownerId: 'o', currency: 'EUR' };
    const first = expectStatus(await shop.post('/v1/wallets', body, { key }), 201);

    const next = new OpenAPIHono<ApiEnv>();
    const route = createRoute({
      method: 'post',
      path: '/v1/wallets',
      request: {
        body: {
          required: true,
          content: {
            'application/json': { schema: createWalletBody.extend({ tier: z.string().default('basic') }) },
          },
        },
      },
      responses: { 201: { description: 'Opened' } },
    });
    const dependencies = {
      database: system.database,
      temporal: openOrderClient({ ...system.reach, address: '127.0.0.1:1' }),
      logger: pino({ level: 'silent' }),
      paymentWindow: 60_000,
      attentionAfter: 60_000,
    };
    const [kept] = await sql<{ caller: string }[]>`select caller from idempotency_key where key = ${key}`;
    next.use(requestId(), async (c, then) => {
      const caller = { id: kept?.caller ?? '', roles: [], shop: MAIN_SHOP };
      c.set('caller', caller);
      c.set('database', system.database.reaching(caller));
      await then();
    });
    next.openapi(route, (c) =>
      answerOnce(
        c,
        dependencies,
        { operation: 'createWallet', request: { json: c.req.valid('json') } },
        () => {
          throw new Error('This request was answered before.');
        },
      ),
    );
    const upgraded = new Shop((path, init) => next.request(path, init));
    const again = await upgraded.post('/v1/wallets', body, { key });
    expect(again).toMatchObject({ status: 201, body: first.body });
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    await dependencies.temporal.close();
  });
});

test('a request that was taken for dead gets the answer of the one that took over, marked as replayed', async () => {
  const api = new Hono<ApiEnv>();
  api.use(requestId(), async (c, then) => {
    c.set('caller', { id: 'key:slow', roles: [], shop: MAIN_SHOP });
    await then();
  });
  const begun = Promise.withResolvers<void>();
  const late = Promise.withResolvers<void>();
  const works = [
    async () => {
      begun.resolve();
      await late.promise;
      return { status: 201 as const, body: { of: 'first' } };
    },
    () => Promise.resolve({ status: 201 as const, body: { of: 'second' } }),
  ];
  const dependencies = { database: system.database, logger: pino({ level: 'silent' }) };
  api.post('/', (c) =>
    answerOnce(
      c,
      dependencies,
      { operation: 'createWallet', request: {} },
      () => works.shift()?.() ?? Promise.reject(new Error('Only two work on it.')),
    ),
  );
  const key = randomUUID();
  const post = () => api.request('/', { method: 'POST', headers: { 'idempotency-key': key } });

  const first = post();
  await begun.promise;
  await sql`update idempotency_key set claimed_until = now() where key = ${key}`;
  const second = await post();
  late.resolve();
  const [one, other] = [await first, second];
  expect([await one.text(), await other.text()]).toEqual(['{"of":"second"}', '{"of":"second"}']);
  const marks = [one, other].map(({ headers }) => headers.get('idempotency-replayed'));
  expect(marks).toEqual(['true', null]);
});

describe('after an answer was lost before it was kept, a retry', () => {
  test('of a create gets the order as it is now', async () => {
    const { id, key, create } = await placeAnOrder();
    expectStatus(await shop.pay(id), 200);
    await forgetAnswer(sql, key);
    expect(await create()).toMatchObject({ status: 201, body: { id, stage: 'paid' } });
  });

  test('of a payment finds the payment by its command, even after a refund', async () => {
    const { id, wallet } = await placeAnOrder();
    const key = randomUUID();
    expectStatus(await shop.pay(id, { key }), 200);
    await forgetAnswer(sql, key);
    expect(await shop.pay(id, { key })).toMatchObject({ status: 200, body: { stage: 'paid' } });
    expectStatus(await shop.refund(id, true), 200);
    await forgetAnswer(sql, key);
    expect(await shop.pay(id, { key })).toMatchObject({ status: 200, body: { stage: 'refunded' } });
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 0 });
  });

  test('of a cancel or a refund finds its outcome by its command', async () => {
    const cancelled = await placeAnOrder();
    const key = randomUUID();
    expectStatus(await shop.cancel(cancelled.id, 'x', { key }), 200);
    await forgetAnswer(sql, key);
    expect(await shop.cancel(cancelled.id, 'x', { key })).toMatchObject({ status: 200 });

    const paid = await placeAnOrder();
    const refundKey = randomUUID();
    expectStatus(await shop.pay(paid.id), 200);
    expectStatus(await shop.refund(paid.id, true, { key: refundKey }), 200);
    await forgetAnswer(sql, refundKey);
    expect(await shop.refund(paid.id, true, { key: refundKey })).toMatchObject({ status: 200 });
    expect(await shop.refund(paid.id, true)).toMatchObject({ body: { code: 'order_not_refundable' } });
  });

  test('of a deposit or a restock gets the movement that was made', async () => {
    const [sku, wallet] = [await shop.sku(1), await shop.wallet(0)];
    const [depositKey, restockKey] = [randomUUID(), randomUUID()];
    const deposit = () => shop.post(`/v1/wallets/${wallet}/deposits`, { amount: 5 }, { key: depositKey });
    const restock = () => shop.post(`/v1/skus/${sku}/restocks`, { quantity: 5 }, { key: restockKey });
    const first = expectStatus(await deposit(), 201);
    expectStatus(await restock(), 201);
    await shop.topUp(wallet, 1);
    await forgetAnswer(sql, depositKey);
    await forgetAnswer(sql, restockKey);
    expect((await deposit()).body).toEqual(first.body);
    expect((await restock()).body).toMatchObject({ onHand: 6 });
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 6, held: 0 });
  });
});

describe('while Temporal or the worker is down,', () => {
  test('a request is refused in time, and takes effect once when it is sent again', async () => {
    const [sku, wallet, key] = [await shop.sku(10), await shop.wallet(0), randomUUID()];
    const temporal = openOrderClient({ ...system.reach, address: '127.0.0.1:1' });
    const logger = pino({ level: 'silent' });
    const api = createApi({
      database: system.database,
      temporal,
      logger,
      paymentWindow: 60_000,
      attentionAfter: 60_000,
    });
    const severed = new Shop((path, init) => api.request(path, init));

    const started = performance.now();
    const refused = await severed.order(wallet, [{ sku, quantity: 1 }], {}, { key });
    expect(performance.now() - started).toBeLessThan(5_000);
    expect(refused).toMatchObject({ status: 503, body: { code: 'unavailable' } });
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(await severed.get('/readyz')).toMatchObject({ body: { detail: 'Temporal does not answer.' } });
    expectStatus(await severed.get(`/v1/wallets/${wallet}`), 200);

    const placed = await until('the claim of the first request to expire', async () => {
      const answer = await shop.order(wallet, [{ sku, quantity: 1 }], {}, { key });
      return answer.body['code'] === 'idempotency_in_progress' ? undefined : answer;
    });
    expectStatus(placed, 201);
    expect(await shop.stockOf(sku)).toEqual({ onHand: 10, reserved: 1, available: 9 });
    await temporal.close();
  });

  test('a request waits for a worker that comes back', async () => {
    const [sku, wallet] = [await shop.sku(10), await shop.wallet(0)];
    await system.stopWorker();
    const order = shop.order(wallet, [{ sku, quantity: 1 }]);
    await system.startWorker();
    expectStatus(await order, 201);
  });
});
