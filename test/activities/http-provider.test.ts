/** The adapter of a payment provider, against a provider that misbehaves. */
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { afterAll, expect, test } from 'vitest';
import { createHttpProvider } from '../../activities/payments/http-provider.ts';
import type { Source } from '../../dev/provider/behaviour.ts';
import { ProviderRefusedError, ProviderUnknownError } from '../../domain/payment-provider.ts';
import { startProvider } from '../support/provider.ts';

const { settings } = await startProvider({ silence: 100 });
const provider = createHttpProvider(settings);

const authorise = (source: Source, reference: string = randomUUID()) =>
  provider.authorise({ reference, orderId: 'an order', amount: 900, currency: 'EUR', source });

test('a payment is authorised, captured and given back in parts, each once however often it is asked for', async () => {
  const payment = await authorise('ok');
  expect(payment).toMatchObject({
    order: 'an order',
    state: 'authorised',
    amount: 900,
    currency: 'EUR',
    captured: 0,
  });
  for (let again = 0; again < 2; again += 1)
    expect(await provider.capture(payment)).toMatchObject({ state: 'captured', captured: 900 });
  for (let again = 0; again < 2; again += 1)
    expect(
      await provider.refund(payment, { reference: `${payment.reference} 1`, amount: 300 }),
    ).toMatchObject({ refunded: 300 });
  expect(await provider.refund(payment, { reference: `${payment.reference} 2`, amount: 600 })).toMatchObject({
    refunded: 900,
  });
  expect(await provider.find(payment.reference)).toMatchObject({ state: 'captured', refunded: 900 });
});

test('a refund that gives back parts of two payments reaches both', async () => {
  for (const { id, reference, amount } of [await authorise('ok'), await authorise('ok')]) {
    await provider.capture({ id, reference, amount });
    expect(await provider.refund({ id }, { reference: 'one refund', amount: 100 })).toMatchObject({
      reference,
      refunded: 100,
    });
  }
});

test('a payment that is authorised is voided, and cannot be captured then', async () => {
  const payment = await authorise('ok');
  expect(await provider.void(payment)).toMatchObject({ state: 'voided' });
  await expect(provider.capture(payment)).rejects.toThrow(ProviderRefusedError);
});

test('a declined payment is an answer, and not an error', async () => {
  expect(await authorise('declined')).toMatchObject({ state: 'declined', reason: expect.any(String) });
});

test.each(['open-lost', 'open-silence', 'open-broken', 'open-error'] as const)(
  '%s: the caller learns that nobody knows, and the same call made again opens no second payment',
  async (source) => {
    const reference = randomUUID();
    let unknown = 0;
    const payment = await (async function again(): Promise<Awaited<ReturnType<typeof authorise>>> {
      try {
        return await authorise(source, reference);
      } catch (error) {
        expect(error).toBeInstanceOf(ProviderUnknownError);
        unknown += 1;
        return again();
      }
    })();
    expect(unknown).toBeGreaterThan(0);
    expect(payment).toEqual(await provider.find(reference));
  },
);

test('a provider without this payment says so, and one that cannot tell is asked again', async () => {
  expect(await provider.find(randomUUID())).toBeUndefined();
  const { reference } = await authorise('unknown');
  await expect(provider.find(reference)).rejects.toThrow(ProviderUnknownError);
});

/** A server that gives every call this answer. */
async function strangeProvider(status: number, body: string) {
  const server = createServer((_request, response) =>
    response.writeHead(status, { location: '/' }).end(body),
  ).listen(0, '127.0.0.1');
  afterAll(() => server.close());
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  return createHttpProvider({ url: `http://127.0.0.1:${port}`, key: 'any' });
}

test.each([
  ['an answer that is no JSON', 200, 'text'],
  ['a payment without an amount', 200, '{"id":"1","reference":"1","state":"authorised"}'],
  ['a redirect', 302, ''],
  ['a refusal that is none of the provider', 404, '<html>'],
  ['a wrong key', 401, '{"code":"unauthorised"}'],
  ['a refusal without a code that is known', 409, '{"code":"busy"}'],
  ['a failure with the code of a refusal', 500, '{"code":"declined"}'],
])('%s is not believed: nobody knows what happened', async (_, status, body) => {
  const strange = await strangeProvider(status, body);
  await expect(strange.capture({ id: '1', reference: '1', amount: 1 })).rejects.toThrow(ProviderUnknownError);
  await expect(strange.find('1')).rejects.toThrow(ProviderUnknownError);
});

test('a decline counts whatever the words of its reason are, and they are kept as far as they can be', async () => {
  const reason = ` no\u0000 funds\n ${'x'.repeat(300)}`;
  const payment = { id: 'p', reference: 'r', order: 'o', state: 'declined', amount: 1, currency: 'EUR' };
  const strange = await strangeProvider(
    200,
    JSON.stringify({ ...payment, captured: 0, refunded: 0, reason, added: 'later' }),
  );
  const found = await strange.find('r');
  expect(found).toMatchObject({ state: 'declined', reason: expect.stringMatching(/^no  funds  x+$/) });
  expect(found?.reason).toHaveLength(200);
});
