/** Invalid input is refused with a clear problem document before anything is changed. */
import { randomUUID } from 'node:crypto';
import { afterAll, describe, expect, test } from 'vitest';
import type { Answer } from '../support/answer.ts';
import { expectRulesHold } from '../support/database.ts';
import { expectStatus } from '../support/shop.ts';
import { startSystem } from '../support/system.ts';

const { shop, sql } = await startSystem();
const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(100_000)]);
const order = await shop.placed(wallet, sku, 1);
const untouched = await readEverything();

afterAll(() => expectRulesHold(sql));

/** Everything that no refused request may change. */
async function readEverything() {
  return {
    stock: await shop.stockOf(sku),
    balance: await shop.balanceOf(wallet),
    orders: await countOrders(),
  };
}

async function countOrders(): Promise<number | undefined> {
  const [row] = await sql<{ count: number }[]>`select count(*) from orders`;
  return row?.count;
}

async function expectRefused(answer: Answer, status: number, code: string): Promise<void> {
  expectStatus(answer, status);
  expect(answer.headers.get('content-type')).toBe('application/problem+json');
  expect(answer.body).toMatchObject({ code, status, type: `urn:holdfast:problem:${code}` });
  expect(answer.headers.get('x-request-id')).toBeTruthy();
  expect(await readEverything()).toEqual(untouched);
}

const send = (body: string | null, headers: Record<string, string>) =>
  shop.raw('/v1/orders', {
    method: 'POST',
    body,
    headers: { 'idempotency-key': randomUUID(), ...headers },
  });

const aLine = { sku, quantity: 1 };
const anOrder = { buyerId: 'buyer', walletId: wallet, lines: [aLine] };
const aSku = { name: 'Tea', price: { amount: 500, currency: 'EUR' }, onHand: 10 };

describe('a request for an order', () => {
  test.each([
    ['an unknown field', { ...anOrder, coupon: 'x' }],
    ['an unknown field in a line', { ...anOrder, lines: [{ ...aLine, price: 1 }] }],
    ['no lines', { ...anOrder, lines: [] }],
    ['101 lines', { ...anOrder, lines: Array.from({ length: 101 }, () => aLine) }],
    ['quantity zero', { ...anOrder, lines: [{ sku, quantity: 0 }] }],
    ['a negative quantity', { ...anOrder, lines: [{ sku, quantity: -1 }] }],
    ['a fractional quantity', { ...anOrder, lines: [{ sku, quantity: 1.5 }] }],
    ['a huge quantity', { ...anOrder, lines: [{ sku, quantity: 10_001 }] }],
    ['a quantity as a string', { ...anOrder, lines: [{ sku, quantity: '1' }] }],
    ['a malformed SKU', { ...anOrder, lines: [{ sku: '../x', quantity: 1 }] }],
    ['a malformed wallet id', { ...anOrder, walletId: 'w-1' }],
    ['an empty buyer', { ...anOrder, buyerId: '' }],
    ['a control character', { ...anOrder, buyerId: 'a\u0000b' }],
    ['half a character', { ...anOrder, buyerId: 'a\ud800b' }],
    ['an unknown payment mode', { ...anOrder, paymentMode: 'cash' }],
    ['a body that is null', null],
    ['a body that is an array', [anOrder]],
  ])('with %s is refused', async (_, body) => {
    await expectRefused(await shop.post('/v1/orders', body), 400, 'validation_failed');
  });

  test('that names a SKU twice gets one line with the sum', async () => {
    const { body } = expectStatus(await shop.order(wallet, [aLine, { sku, quantity: 2 }]), 201);
    expect(body['lines']).toEqual([{ sku, quantity: 3, refundedQuantity: 0, unitPrice: 500 }]);
    expectStatus(await shop.cancel(body['id']), 200);
    untouched.orders = await countOrders();
  });

  test('is refused with one error per invalid field', async () => {
    const { body } = await shop.post('/v1/orders', {
      ...anOrder,
      lines: [aLine, { sku, quantity: 0 }],
      note: 'x',
    });
    expect(body['errors']).toEqual([
      expect.objectContaining({ field: 'lines.1.quantity' }),
      { field: 'note', message: 'unknown field' },
    ]);
  });
});

describe('a PUT of a SKU', () => {
  test.each([
    ['price zero', { ...aSku, price: { amount: 0, currency: 'EUR' } }],
    ['a fractional price', { ...aSku, price: { amount: 0.5, currency: 'EUR' } }],
    [
      'a price that no wallet can hold',
      { ...aSku, price: { amount: 9_007_199_254_740_992, currency: 'EUR' } },
    ],
    ['more units than a SKU may have', { ...aSku, onHand: 1_000_000_000_001 }],
    ['an unknown currency', { ...aSku, price: { amount: 1, currency: 'EURO' } }],
    ['negative units', { ...aSku, onHand: -1 }],
    ['a blank name', { ...aSku, name: '  ' }],
  ])('with %s is refused', async (_, body) => {
    await expectRefused(await shop.put(`/v1/skus/${sku}`, body), 400, 'validation_failed');
  });

  test('cannot lower its units below those that open orders hold, not even as a count', async () => {
    const answer = await shop.post(`/v1/skus/${sku}/counts`, { onHand: 0, expectedOnHand: 10 });
    await expectRefused(answer, 409, 'on_hand_below_reserved');
  });
});

describe('a deposit', () => {
  test.each([0, -1, 0.5, 1_000_000_000_001, '5', 1e300])('of %j is refused', async (amount) => {
    const answer = await shop.post(`/v1/wallets/${wallet}/deposits`, { amount });
    await expectRefused(answer, 400, 'validation_failed');
  });

  test('that would exceed the largest exact balance is refused', async () => {
    const full = await shop.wallet(0);
    await sql`update wallet set posted = 9007199254740991 where id = ${full}`;
    const answer = await shop.post(`/v1/wallets/${full}/deposits`, { amount: 1 });
    await expectRefused(answer, 422, 'balance_limit_exceeded');
    await sql`update wallet set posted = 0 where id = ${full}`;
  });
});

describe('the API', () => {
  const nobody = randomUUID();
  test.each([
    ['/v1/orders/12', 400, 'validation_failed'],
    [`/v1/orders/${nobody}`, 404, 'not_found'],
    [`/v1/orders/${nobody}/events`, 404, 'not_found'],
    [`/v1/wallets/${nobody}`, 404, 'not_found'],
    [`/v1/wallets/${nobody}/entries`, 404, 'not_found'],
    ['/v1/skus/none', 404, 'not_found'],
    ['/v1/skus/a%20b', 400, 'validation_failed'],
    ['/v1/orders?cursor=x', 400, 'validation_failed'],
    ['/v1/orders?limit=0', 400, 'validation_failed'],
    ['/v1/orders?limit=101', 400, 'validation_failed'],
    ['/v1/orders?limit=', 400, 'validation_failed'],
    ['/v1/orders?limit=1e1', 400, 'validation_failed'],
    ['/v1/orders?limit=0x10', 400, 'validation_failed'],
    ['/v1/orders?limit=%205%20', 400, 'validation_failed'],
    ['/v1/orders?limit=05', 400, 'validation_failed'],
    ['/v1/orders?limit=5.0', 400, 'validation_failed'],
    ['/v1/orders?limit=1&limit=2', 400, 'validation_failed'],
    ['/v1/orders?stage=lost', 400, 'validation_failed'],
    ['/v1/orders?stage=constructor', 400, 'validation_failed'],
    ['/v1/orders?__proto__=1', 400, 'validation_failed'],
    [`/v1/orders/${nobody}/events?cursor=events.2147483648`, 400, 'validation_failed'],
    [`/v1/orders/${nobody}/events?cursor=events.999999999`, 404, 'not_found'],
    [`/v1/orders/${nobody}/events?cursor=events.0`, 400, 'validation_failed'],
    [`/v1/wallets/${nobody}/entries?cursor=entries.9007199254740992`, 400, 'validation_failed'],
    [`/v1/wallets/${nobody}/entries?cursor=entries.999999999999999`, 404, 'not_found'],
    ['/v1/attention?cursor=attention.1700000000000.%00', 400, 'validation_failed'],
    ['/v1/measurements?cursor=measurements.999999999999999.order_success', 400, 'validation_failed'],
    ['/v1/measurements?cursor=measurements.1700000000000.constructor', 400, 'validation_failed'],
    ['/v1/measurements?from=2026-01-01', 400, 'validation_failed'],
    ['/v1/stats?from=0000-01-01&to=0000-01-02', 400, 'validation_failed'],
    ['/v1/stats?from=2025-02-29&to=2025-03-01', 400, 'validation_failed'],
    ['/v1/skus/a%00', 400, 'validation_failed'],
    ['/v1/orders/%E0%A4%A', 400, 'validation_failed'],
    ['/v1/orders?sort=id', 400, 'validation_failed'],
    ['/v1/nothing', 404, 'not_found'],
  ])('answers GET %s with %s %s', async (path, status, code) => {
    await expectRefused(await shop.get(path), status, code);
  });

  test.each([
    '/v1/orders?limit=100',
    '/v1/measurements?cursor=measurements.99999999999999.order_success',
    '/v1/attention?cursor=attention.0.order-x',
    '/v1/measurements?from=0001-01-01T00:00:00Z&to=9999-12-31T23:59:59.999Z',
    '/v1/measurements?from=0000-01-01T00:00:00Z&to=9999-12-31T23:59:59.999-14:00',
    '/v1/measurements?from=0001-01-01T00:00:00%2B14:00',
    '/v1/stats?from=0001-01-01&to=0001-01-02',
    '/v1/stats?from=9999-12-31&to=9999-12-31',
  ])('accepts GET %s, which is just within the limits', async (path) => {
    expectStatus(await shop.get(path), 200);
  });

  test('refuses a method that an address does not support, and lists those that it does', async () => {
    const answer = await shop.raw(`/v1/skus/${sku}`, { method: 'DELETE' });
    await expectRefused(answer, 405, 'method_not_allowed');
    expect(answer.headers.get('allow')).toBe('PUT, GET');
  });

  test.each([
    ['pay', undefined],
    ['cancel', { reason: 'x' }],
    ['refund', { reason: 'x', restock: true }],
  ])('refuses to %s an order that does not exist', async (command, body) => {
    await expectRefused(await shop.post(`/v1/orders/${nobody}/${command}`, body), 404, 'not_found');
    await expectRefused(await shop.post(`/v1/orders/12/${command}`, body), 400, 'validation_failed');
  });
});

// All but the last are names that every object inherits.
describe('the documentation', () => {
  test.each(['constructor', 'toString', '__proto__', 'hasOwnProperty', 'valueOf', 'no.css'])(
    'has no file named %s',
    async (name) => {
      expect(await shop.get(`/docs/${name}`)).toMatchObject({
        status: 404,
        body: { code: 'not_found' },
      });
    },
  );
});

describe('a request body', () => {
  const json = { 'content-type': 'application/json' };

  test.each([
    ['that is cut off', '{"buyerId"', json, 400, 'malformed_body'],
    ['that is empty', '', json, 400, 'malformed_body'],
    ['that is missing', null, {}, 400, 'malformed_body'],
    [
      'that is declared as text',
      JSON.stringify(anOrder),
      { 'content-type': 'text/plain' },
      415,
      'unsupported_media_type',
    ],
    ['of more than 64 KiB', `"${'x'.repeat(65_536)}"`, json, 413, 'body_too_large'],
  ])('%s is refused', async (_, body, headers, status, code) => {
    await expectRefused(await send(body, headers), status, code);
  });

  test('full of unknown fields is not echoed in full', async () => {
    const unknown = Object.fromEntries(
      Array.from({ length: 50 }, (_, index) => [`${index}${'x'.repeat(1_000)}`, 1]),
    );
    const answer = await shop.post('/v1/orders', { ...anOrder, ...unknown });
    await expectRefused(answer, 400, 'validation_failed');
    expect(answer.body['errors']).toHaveLength(20);
    expect(JSON.stringify(answer.body).length).toBeLessThan(6_000);
  });

  test('that is not empty is refused by a payment', async () => {
    const answer = await shop.post(`/v1/orders/${order}/pay`, { amount: 1 });
    await expectRefused(answer, 400, 'validation_failed');
  });
});
