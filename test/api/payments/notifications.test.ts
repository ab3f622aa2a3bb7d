/**
 * The payment provider notifies of a payment: each notification is kept once and wakes its payment, a caller who cannot sign is kept out as one
 * with wrong credentials, and no notification says anything to its sender or changes anything here.
 */
import { randomUUID } from 'node:crypto';
import { afterAll, describe, expect, test } from 'vitest';
import { ApiClient, fetchFrom, type Answer } from '../../../api/client.ts';
import { paymentWorkflowId } from '../../../domain/workflow-ids.ts';
import { JSON_TYPE, expectProblem, serve } from '../../support/http.ts';
import { notificationOf, signedInit, type Signing } from '../../support/notifications.ts';
import { plantOrders, plantPart } from '../../support/planted.ts';
import { PROVIDER_SECRET } from '../../support/provider.ts';
import { startSystem } from '../../support/system.ts';
import { until } from '../../support/until.ts';

const PATH = '/v1/payment-notifications';
const FAILURES = 3;
const OTHER_SECRET = `whsec_${Buffer.from('of somebody else, and long enough').toString('base64')}`;

const system = await startSystem();
const { send, sql, client, stopWorker } = system;
// What is woken here has nothing to ask.
await stopWorker();
const provider = new ApiClient(send);
const [order = ''] = await plantOrders(sql, 1);
const payment = await plantPart(sql, order);
afterAll(() =>
  client.workflow
    .getHandle(paymentWorkflowId(payment))
    .terminate()
    .catch(() => {}),
);

const post = (body: string, signing?: Signing): Promise<Answer> =>
  provider.raw(PATH, signedInit(body, signing));
const kept = (id: string) =>
  sql<{ reference: string; state: string; type: string; providerId: string }[]>`
    select reference, state, type, provider_id as "providerId" from payment_notification where id = ${id}`;
const signalsOf = async (paymentId: string): Promise<number> => {
  const { events = [] } = await client.workflow.getHandle(paymentWorkflowId(paymentId)).fetchHistory();
  return (events ?? []).filter(({ workflowExecutionSignaledEventAttributes: signal }) => signal).length;
};

describe('a signed notification', () => {
  test('is kept, and wakes its payment', async () => {
    const id = randomUUID();
    const answer = await post(
      notificationOf(payment, { data: { reference: payment, id: 'pay_7', amount: 'any' } }),
      { id },
    );
    expect([answer.status, answer.body]).toEqual([204, {}]);
    expect(await kept(id)).toEqual([
      { reference: payment, state: 'received', type: 'payment.authorised', providerId: 'pay_7' },
    ]);
    await until('the payment to be woken', async () => (await signalsOf(payment).catch(() => 0)) === 1);
  });

  test('begins the workflow of its payment so that operators find it by shop and buyer', async () => {
    const { typedSearchAttributes: found } = await client.workflow
      .getHandle(paymentWorkflowId(payment))
      .describe();
    const [buyer] = await sql`select shop_id as shop, buyer_id as buyer from orders where id = ${order}`;
    expect({
      shop: found.get({ name: 'HoldfastShop', type: 'KEYWORD' }),
      buyer: found.get({ name: 'HoldfastBuyer', type: 'KEYWORD' }),
    }).toEqual(buyer);
  });

  test('that comes again, also at once and with another body, is the one that was kept', async () => {
    const id = randomUUID();
    const first = notificationOf(payment);
    const again = notificationOf('another', { type: 'payment.captured' });
    expect((await post(first, { id })).status).toBe(204);
    const answers = await Promise.all(Array.from({ length: 20 }, () => post(again, { id })));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([204]));
    expect(await kept(id)).toMatchObject([{ reference: payment, type: 'payment.authorised' }]);
  });

  test.each([
    ['a payment that is not known', randomUUID()],
    ['what is no id of a payment', 'basket 7'],
  ])('of %s is answered the same, and kept until somebody knows it', async (_, reference) => {
    const id = randomUUID();
    const answer = await post(notificationOf(reference), { id });
    expect([answer.status, answer.body]).toEqual([204, {}]);
    expect(await kept(id)).toMatchObject([{ reference, state: 'unmatched' }]);
  });

  test('changes nothing of its payment, whatever it says', async () => {
    const read = () => sql`select * from payment where id = ${payment}`;
    const before = await read();
    for (const type of ['payment.captured', 'payment.voided', 'payment.never_heard_of'])
      expect((await post(notificationOf(payment, { type }))).status).toBe(204);
    expect(await read()).toEqual(before);
  });

  test('is read whatever type it is declared as', async () => {
    const init = signedInit(notificationOf(payment));
    for (const type of ['text/plain', 'application/json; charset=latin1', ''])
      expect(
        (await provider.raw(PATH, { ...init, headers: { ...init.headers, 'content-type': type } })).status,
      ).toBe(204);
  });

  test.each([
    ['no JSON', '{', 'malformed_body'],
    ['nothing', '', 'malformed_body'],
    ['no object', '[]', 'validation_failed'],
    ['no type', JSON.stringify({ data: { reference: payment, id: 'pay_1' } }), 'validation_failed'],
    ['no reference', JSON.stringify({ type: 'x', data: { id: 'pay_1' } }), 'validation_failed'],
    ['a reference that is too long', notificationOf('x'.repeat(201)), 'validation_failed'],
    ['a reference that cannot be stored', notificationOf('a\u0000b'), 'validation_failed'],
    ['a reference of blanks', notificationOf('  '), 'validation_failed'],
  ])('with %s is refused, and not kept', async (_, body, code) => {
    const id = randomUUID();
    expect(await post(body, { id })).toMatchObject({ status: 400, body: { code } });
    expect(await kept(id)).toEqual([]);
  });

  test('with an id that cannot be stored is refused', async () => {
    expect(await post(notificationOf(payment), { id: 'x'.repeat(201) })).toMatchObject({
      status: 400,
      body: { code: 'validation_failed' },
    });
  });

  test('of more than 64 KiB is refused before it is read as a whole', async () => {
    const answer = await post(notificationOf(payment, { padding: 'x'.repeat(64 * 1024) }));
    expect(answer).toMatchObject({ status: 413, body: { code: 'body_too_large' } });
  });
});

describe('a notification that nobody signed', () => {
  test.each([
    ['without a signature', { 'webhook-signature': '' }],
    ['with another id', { 'webhook-id': 'another' }],
    ['with an API key in its place', { 'webhook-signature': '', authorization: 'Bearer hf_aaaa' }],
  ])('%s is refused, and tells its sender nothing', async (_, headers) => {
    const init = signedInit(notificationOf(payment));
    const known = await provider.raw(PATH, { ...init, headers: { ...init.headers, ...headers } });
    const unknown = await provider.raw(PATH, {
      ...init,
      body: '{',
      headers: { ...init.headers, ...headers },
    });
    expect(known).toMatchObject({ status: 401, body: { code: 'signature_invalid' } });
    expect(known.headers.get('www-authenticate')).toBe('StandardWebhooks realm="holdfast"');
    expect(unknown.body).toEqual(known.body);
  });

  test('is refused in the same words by an API that no secret is set for', async () => {
    const none = await serve(system, { paymentSecrets: [] });
    const answer = await new ApiClient(fetchFrom(none.url)).raw(PATH, signedInit(notificationOf(payment)));
    const refused = await post(notificationOf(payment), { secret: OTHER_SECRET });
    expect([answer.status, answer.body]).toEqual([401, refused.body]);
  });

  test('counts as a failed authentication of its address, and no other address is kept out', async () => {
    const { url } = await serve(system, {
      rateLimits: {
        windowMs: 60_000,
        quotas: { reads: 0, writes: 0, orders: 0, admin: 0 },
        failedAuthentications: FAILURES,
      },
      trustedProxies: ['127.0.0.1'],
    });
    const wire = new ApiClient(fetchFrom(url));
    const attempt = async (address: string, secret: string) => {
      const init = signedInit(notificationOf(payment), { secret });
      const headers = { ...init.headers, 'x-forwarded-for': address };
      return (await wire.raw(PATH, { ...init, headers })).status;
    };
    for (let failed = 0; failed < FAILURES; failed += 1)
      expect(await attempt('198.51.100.1', OTHER_SECRET)).toBe(401);
    // Failures are counted behind their answers.
    await until(
      'the address to be kept out',
      async () => (await attempt('198.51.100.1', OTHER_SECRET)) === 429,
    );
    expect(await attempt('198.51.100.2', PROVIDER_SECRET)).toBe(204);
  });
});

describe('during a change of the secret', () => {
  test('notifications with the old and with the new one are taken', async () => {
    const { url } = await serve(system, { paymentSecrets: [OTHER_SECRET, PROVIDER_SECRET] });
    const wire = new ApiClient(fetchFrom(url));
    for (const secret of [OTHER_SECRET, PROVIDER_SECRET])
      expect((await wire.raw(PATH, signedInit(notificationOf(payment), { secret }))).status).toBe(204);
  });
});

test('an address for notifications takes no other method, and says so to everybody', async () => {
  for (const method of ['GET', 'PUT', 'PATCH', 'DELETE', 'TRACE2']) {
    const answer = await provider.raw(PATH, { method });
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'POST']);
  }
});

test('bytes that are not UTF-8 are not what was signed', async () => {
  const wire = await serve(system);
  const init = signedInit(notificationOf(payment));
  const body = Buffer.concat([Buffer.from(init.body), Buffer.from([0xff])]);
  const head = [
    `POST ${PATH} HTTP/1.1`,
    'Host: localhost',
    'Connection: close',
    JSON_TYPE,
    ...Object.entries(init.headers).flatMap(([name, value]) =>
      name.startsWith('webhook') ? [`${name}: ${value}`] : [],
    ),
    `Content-Length: ${body.length}`,
  ].join('\r\n');
  expectProblem(await wire.send(`${head}\r\n\r\n`, body), 401, 'signature_invalid');
});
