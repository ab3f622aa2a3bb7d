/** The payment provider that tests and developers pay with: it must be worth believing in before anything is proved with it. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { Webhook } from 'standardwebhooks';
import { afterAll, expect, test } from 'vitest';
import { z } from 'zod';
import { BEHAVIOURS, fateOf, type Source } from '../../dev/provider/behaviour.ts';
import { localProviderSettings } from '../../dev/provider/local.ts';
import { PROVIDER_SECRET, startProvider, type TestProvider } from '../support/provider.ts';
import { until } from '../support/until.ts';

const notification = z.object({
  type: z.string(),
  data: z.object({ reference: z.string(), state: z.string(), version: z.int() }),
});
interface Notified {
  id: string;
  reference: string;
  type: string;
}

/** Takes notifications, once each by a refusal first, and keeps those whose signature is right. */
async function receive() {
  const signer = new Webhook(PROVIDER_SECRET);
  const notified: Notified[] = [];
  const refused = new Set<string>();
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      const id = String(request.headers['webhook-id']);
      const headers = Object.fromEntries(
        ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((name) => [
          name,
          String(request.headers[name]),
        ]),
      );
      const { type, data } = notification.parse(signer.verify(body, headers));
      // Each comes again after a refusal.
      if (!refused.has(id)) {
        refused.add(id);
        return response.writeHead(503).end();
      }
      notified.push({ id, reference: data.reference, type });
      return response.writeHead(204).end();
    });
  }).listen(0, '127.0.0.1');
  afterAll(() => server.close());
  await once(server, 'listening');
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('The receiver listens at no port.');
  return { url: `http://127.0.0.1:${address.port}/`, notified };
}

const { url, notified } = await receive();

function callsOf({ settings: { url: address, key: bearer } }: TestProvider) {
  const call = async (path: string, body?: object, key: string = randomUUID()) => {
    const response = await fetch(`${address}${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        authorization: `Bearer ${bearer}`,
        'idempotency-key': key,
        'content-type': 'application/json',
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: z.record(z.string(), z.unknown()).parse(await response.json()) };
  };
  const open = (reference: string, source: Source, key?: string) =>
    call('/v1/payments', { reference, order: 'an order', amount: 700, currency: 'EUR', source }, key);
  return { call, open };
}

const provider = callsOf(await startProvider({ notify: url, silence: 500 }));

test('a reference opens one payment, however often and under however many keys it is asked for', async () => {
  const answers = await Promise.all(Array.from({ length: 5 }, () => provider.open('once', 'ok')));
  expect(new Set(answers.map(({ body }) => body['id'])).size).toBe(1);
  expect(answers.map(({ status }) => status).sort((a, b) => a - b)).toEqual([200, 200, 200, 200, 201]);
});

test('a key gets its first answer again, and no other request is carried out under it', async () => {
  const { body } = await provider.open('keyed', 'ok', 'key-1');
  const captured = await provider.call(
    `/v1/payments/${String(body['id'])}/captures`,
    { amount: 700 },
    'key-2',
  );
  expect(captured).toMatchObject({ status: 200, body: { state: 'captured', captured: 700 } });
  expect(await provider.open('keyed', 'ok', 'key-1')).toEqual({ status: 201, body });
  expect(
    await provider.call(`/v1/payments/${String(body['id'])}/captures`, { amount: 699 }, 'key-2'),
  ).toMatchObject({
    status: 422,
    body: { code: 'key_reused' },
  });
});

test('no more is given back than was captured, and a refund with the same reference is made once', async () => {
  const { body } = await provider.open('refunded', 'ok');
  const refunds = `/v1/payments/${String(body['id'])}/refunds`;
  expect(await provider.call(refunds, { reference: 'r1', amount: 1 })).toMatchObject({
    body: { code: 'not_refundable' },
  });
  await provider.call(`/v1/payments/${String(body['id'])}/captures`, { amount: 700 });
  for (let again = 0; again < 2; again += 1)
    expect(await provider.call(refunds, { reference: 'r1', amount: 500 })).toMatchObject({
      body: { refunded: 500 },
    });
  expect(await provider.call(refunds, { reference: 'r2', amount: 201 })).toMatchObject({
    body: { code: 'refund_too_large' },
  });
});

test.each(['open-lost', 'open-silence', 'open-broken'] as const)(
  '%s: the payment is made, and its caller hears nothing of it',
  async (source) => {
    const heard = await provider.open(source, source, source).then(
      ({ status }) => status,
      () => 'nothing',
    );
    expect(heard).toBe(source === 'open-broken' ? 500 : 'nothing');
    expect(await provider.call(`/v1/payments?reference=${source}`)).toMatchObject({
      body: { state: 'authorised' },
    });
  },
);

test('open-late: the payment is unknown at first, and is made all the same', async () => {
  await expect(provider.open('late', 'open-late')).rejects.toThrow();
  expect(await provider.call('/v1/payments?reference=late')).toMatchObject({ status: 404 });
  await until('the payment is made', async () => typesOf('late').length > 0);
  expect(await provider.call('/v1/payments?reference=late')).toMatchObject({ body: { state: 'authorised' } });
});

test('of a capture and a void at once one is made, and the other is refused', async () => {
  const outcomes = await Promise.all(
    Array.from({ length: 20 }, async (_, nth) => {
      const { body } = await provider.open(`contested ${nth}`, 'silent');
      const path = `/v1/payments/${String(body['id'])}`;
      const answers = await Promise.all([
        provider.call(`${path}/captures`, { amount: 700 }),
        provider.call(`${path}/voids`, {}),
      ]);
      const { body: after } = await provider.call(path);
      expect(after['captured']).toBe(after['state'] === 'captured' ? 700 : 0);
      return answers.map(({ status }) => status).sort((a, b) => a - b);
    }),
  );
  for (const statuses of outcomes) expect(statuses).toEqual([200, 409]);
});

test.each([
  ['pending', 'authorised'],
  ['pending-captured', 'captured'],
  ['declined-captured', 'captured'],
  ['expiring', 'voided'],
] as const)('%s: the payment becomes %s by itself, and that is notified', async (source, state) => {
  const { body } = await provider.open(source, source);
  expect(body['state']).not.toBe(state);
  await until(`the payment is ${state}`, async () => typesOf(source).includes(`payment.${state}`));
  expect(await provider.call(`/v1/payments/${String(body['id'])}`)).toMatchObject({ body: { state } });
});

test('notified-falsely: what is notified is not what the provider answers', async () => {
  const { body } = await provider.open('false', 'notified-falsely');
  await until('the notification arrived', async () => typesOf('false').length > 0);
  expect(typesOf('false')).toEqual(['payment.captured']);
  expect(await provider.call(`/v1/payments/${String(body['id'])}`)).toMatchObject({
    body: { state: 'authorised' },
  });
});

test('every change is notified, signed, and again until it is accepted', async () => {
  const { body } = await provider.open('notified', 'ok');
  await provider.call(`/v1/payments/${String(body['id'])}/captures`, { amount: 700 });
  await until('both notifications arrived', async () => typesOf('notified').length >= 2);
  expect(typesOf('notified').sort()).toEqual(['payment.authorised', 'payment.captured']);
});

test('notified-newest-first: the capture is notified before the authorisation', async () => {
  const { body } = await provider.open('unordered', 'notified-newest-first');
  await provider.call(`/v1/payments/${String(body['id'])}/captures`, { amount: 700 });
  await until('both notifications arrived', async () => typesOf('unordered').length >= 2);
  expect(typesOf('unordered')).toEqual(['payment.captured', 'payment.authorised']);
});

test('what was answered is in the book after kill -9, and what was not notified is notified then', async () => {
  const first = await startProvider({ notify: url });
  await callsOf(first).open('survivor', 'notified-late');
  const second = callsOf(await first.restart());
  expect(await second.call('/v1/payments?reference=survivor')).toMatchObject({
    body: { state: 'authorised' },
  });
  await until('the notification arrived', async () => typesOf('survivor').length > 0);
});

test('a seed decides which calls go wrong, and all of a percentage do', () => {
  const draw = (seed: number, share: number) => Array.from({ length: 200 }, fateOf(seed, share));
  expect(draw(7, 0.3)).toEqual(draw(7, 0.3));
  expect(draw(7, 0.3)).not.toEqual(draw(8, 0.3));
  expect(draw(7, 0).filter(Boolean)).toEqual([]);
  expect(draw(7, 1).filter(Boolean)).toHaveLength(200);
  expect(Object.keys(BEHAVIOURS)).toContain('ok');
});

test('the documentation says how each source misbehaves, and the outcome', async () => {
  const document = await readFile('docs/payments.md', 'utf8');
  const missing = (heading: string) => {
    const section = document.split(/^## /m).find((one) => one.startsWith(heading)) ?? '';
    return Object.keys(BEHAVIOURS).filter((source) => !section.includes(`\`${source}\``));
  };
  expect(missing('The provider for development')).toEqual([]);
  expect(missing('When something goes wrong')).toEqual(['ok']);
});

test('npm start uses the local provider, and nothing of it beside the settings of another', () => {
  expect(Object.keys(localProviderSettings({}, 8290))).toEqual([
    'PAYMENT_PROVIDER_URL',
    'PAYMENT_PROVIDER_KEY',
    'PAYMENT_PROVIDER_SECRETS',
  ]);
  expect(localProviderSettings({ PAYMENT_PROVIDER_URL: 'https://provider.example.com' }, 8290)).toEqual({});
});

const typesOf = (reference: string): string[] =>
  notified.filter((one) => one.reference === reference).map(({ type }) => type);
