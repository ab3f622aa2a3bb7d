/** When the client sends a request again, after which pause, and what it throws in the end. */
import { HoldfastProblem, NoAnswerError, UnexpectedAnswerError, isProblem } from '@holdfast/client';
import { describe, expect, test } from 'vitest';
import { problem, scripted } from '../support/scripted-answers.ts';

const WALLET = { ownerId: 'buyer-7', currency: 'EUR' };
const opened = Response.json({ id: 'w', ownerId: 'buyer-7' }, { status: 201 });
const broken = new TypeError('fetch failed');

describe('a POST', () => {
  test.each([
    ['a connection that broke', broken],
    ['500', problem(500, 'internal_error')],
    ['a gateway without its server', new Response('<html>', { status: 502 })],
    ['503 with Retry-After', problem(503, 'unavailable', { 'retry-after': '1' })],
    ['a body that came too slowly', problem(408, 'request_timeout')],
    ['409 with Retry-After', problem(409, 'idempotency_in_progress', { 'retry-after': '1' })],
    ['429', problem(429, 'rate_limited', { 'retry-after': '1' })],
  ])('is sent again after %s, and is the same request with the same key', async (_, first) => {
    const { holdfast, requests } = scripted([first, opened]);
    expect(await holdfast.createWallet(WALLET)).toMatchObject({ id: 'w' });
    expect(requests.map(({ method, address, body }) => ({ method, address, body }))).toEqual(
      Array.from({ length: 2 }, () => ({
        method: 'POST',
        address: 'https://holdfast.example/v1/wallets',
        body: JSON.stringify(WALLET),
      })),
    );
    const keys = requests.map(({ headers }) => headers.get('idempotency-key'));
    expect(keys[0]).toMatch(/^[0-9a-f]{32}$/);
    expect(keys[1]).toBe(keys[0]);
  });

  test('has the key that its caller gives, and another one in another call without', async () => {
    const { holdfast, requests } = scripted([opened]);
    await holdfast.createWallet(WALLET, { idempotencyKey: 'basket-17' });
    await holdfast.createWallet(WALLET);
    await holdfast.createWallet(WALLET);
    const keys = requests.map(({ headers }) => headers.get('idempotency-key'));
    expect(keys[0]).toBe('basket-17');
    expect(new Set(keys).size).toBe(3);
  });

  test.each([
    ['a refusal', problem(409, 'out_of_stock'), 'out_of_stock'],
    [
      'too many refused payments, which need a deposit first',
      problem(429, 'too_many_refused_payments', { 'retry-after': '5' }),
      'too_many_refused_payments',
    ],
    ['a setting that is missing', problem(503, 'personal_data_unavailable'), 'personal_data_unavailable'],
  ])('is not sent again after %s', async (_, first, code) => {
    const { holdfast, requests } = scripted([first, opened]);
    const error: unknown = await holdfast
      .createWallet(WALLET, { idempotencyKey: 'k' })
      .catch((e: unknown) => e);
    expect(error).toBeInstanceOf(HoldfastProblem);
    expect(error).toMatchObject({ code, idempotencyKey: 'k', message: `${code}: What happened.` });
    expect(requests).toHaveLength(1);
  });
});

describe('the pause before the next attempt', () => {
  test('is at least as long as Retry-After asks for, whatever was the pause before', async () => {
    const { holdfast, pauses } = scripted([
      problem(429, 'rate_limited', { 'retry-after': '7' }),
      problem(503, 'overloaded', { 'retry-after': '2' }),
      opened,
    ]);
    await holdfast.createWallet(WALLET);
    expect(pauses.map((ms) => Math.floor(ms / 1_000))).toEqual([7, 2]);
    expect(Math.max(pauses[0] ?? 0, 0)).toBeLessThan(7_300);
  });

  test('reads an instant, as gateways write it', async () => {
    const inTen = new Date(Date.now() + 10_500).toUTCString();
    const { holdfast, pauses } = scripted([
      new Response('', { status: 503, headers: { 'retry-after': inTen } }),
      opened,
    ]);
    await holdfast.createWallet(WALLET);
    expect(pauses[0]).toBeGreaterThan(8_000);
    expect(pauses[0]).toBeLessThan(11_000);
  });

  test('grows without it, up to five seconds', async () => {
    const { holdfast, pauses } = scripted([broken]);
    await holdfast.createWallet(WALLET).catch(() => {});
    expect(pauses.slice(0, 7)).toEqual([150, 300, 600, 1_200, 2_400, 3_750, 3_750]);
  });

  test('is not begun when it would end after the caller’s patience', async () => {
    const { holdfast, pauses, requests } = scripted([
      problem(409, 'refund_pending', { 'retry-after': '60' }),
    ]);
    const error: unknown = await holdfast
      .refundOrder('o', { reason: 'r', restock: true })
      .catch((e: unknown) => e);
    expect(error).toMatchObject({ code: 'refund_pending', retryAfter: 60 });
    expect([pauses, requests.length]).toEqual([[], 1]);
  });
});

test('patience ends the attempts of an outage, and the error has the key with which the call can go on', async () => {
  const { holdfast, requests, pauses } = scripted([broken], { patience: 10_000 });
  const error: unknown = await holdfast.createWallet(WALLET).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(NoAnswerError);
  expect(error).toMatchObject({
    attempts: requests.length,
    idempotencyKey: requests[0]?.headers.get('idempotency-key'),
    cause: broken,
  });
  expect(requests.length).toBeGreaterThan(3);
  expect(pauses.reduce((sum, ms) => sum + ms, 0)).toBeLessThanOrEqual(10_000);
});

test('patience 0 sends a request once', async () => {
  const { holdfast, requests } = scripted([broken]);
  await expect(holdfast.getOrder('o', { patience: 0 })).rejects.toThrow('in one attempt: fetch failed');
  expect(requests).toHaveLength(1);
});

test('a change on a condition is sent again only when the first cannot have happened', async () => {
  const body = { name: 'Mug', price: { amount: 1, currency: 'EUR' } };
  const options = { headers: { 'If-Match': '"1"' } };
  const unknown = scripted([broken, opened]);
  await expect(unknown.holdfast.putSku('mug', body, options)).rejects.toThrow(NoAnswerError);
  expect(unknown.requests).toHaveLength(1);
  const refused = scripted([problem(503, 'overloaded', { 'retry-after': '1' }), opened]);
  await refused.holdfast.putSku('mug', body, options);
  expect(refused.requests).toHaveLength(2);
  expect(refused.requests[1]?.headers.get('if-match')).toBe('"1"');
  const unconditional = scripted([broken, opened]);
  await unconditional.holdfast.putSku('mug', body);
  expect(unconditional.requests).toHaveLength(2);
});

test('an answer that breaks off is no answer', async () => {
  const half = new ReadableStream({
    pull(controller) {
      controller.enqueue(new TextEncoder().encode('{"id": "w'));
      controller.error(broken);
    },
  });
  let sent = 0;
  const { holdfast } = scripted([opened], {
    fetch: async () => {
      sent += 1;
      return sent === 1 ? new Response(half, { status: 201 }) : opened.clone();
    },
  });
  expect(await holdfast.createWallet(WALLET)).toMatchObject({ id: 'w' });
  expect(sent).toBe(2);
});

test('the caller’s signal ends a call in its pause, with the reason of the signal', async () => {
  const giveUp = new AbortController();
  const { holdfast, requests } = scripted([broken], {
    clock: {
      now: () => 0,
      random: () => 0,
      sleep: async (_, signal) => {
        giveUp.abort(new Error('The buyer left.'));
        signal?.throwIfAborted();
      },
    },
  });
  await expect(holdfast.createWallet(WALLET, { signal: giveUp.signal })).rejects.toThrow('The buyer left.');
  expect(requests).toHaveLength(1);
});

test('a function as key is asked at every attempt, and the shop is named', async () => {
  let tokens = 0;
  const { holdfast, requests } = scripted([broken, opened], {
    key: () => {
      tokens += 1;
      return `token-${tokens}`;
    },
    shop: 'north',
  });
  await holdfast.createWallet(WALLET);
  expect(requests.map(({ headers }) => [headers.get('authorization'), headers.get('holdfast-shop')])).toEqual(
    [
      ['Bearer token-1', 'north'],
      ['Bearer token-2', 'north'],
    ],
  );
});

describe('an answer that is none of Holdfast', () => {
  test.each([
    ['a page of a gateway', new Response('<html>', { status: 403 }), 403, '<html>'],
    [
      'a redirect',
      new Response(null, { status: 302, headers: { location: 'https://elsewhere.example' } }),
      302,
      'empty',
    ],
    ['a success that is not JSON', new Response('<html>', { status: 200 }), 200, 'not JSON'],
    ['a code that this version does not know', problem(409, 'brand_new'), 409, 'brand_new'],
  ])('such as %s is no problem with a code', async (_, answer, status, what) => {
    const { holdfast } = scripted([answer]);
    const error: unknown = await holdfast.getOrder('o').catch((e: unknown) => e);
    expect(error).toBeInstanceOf(UnexpectedAnswerError);
    expect(error).toMatchObject({ status, message: expect.stringContaining(what) });
    expect(isProblem(error)).toBe(false);
  });
});
