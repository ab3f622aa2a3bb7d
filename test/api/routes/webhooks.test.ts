/** A shop registers where its events are sent. What signs them is shown once, and nobody else sees or changes any of it. */
import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { ApiClient } from '../../../api/client.ts';
import { claimDue } from '../../../db/webhooks/claim.ts';
import { disableWebhook, recordAttempts } from '../../../db/webhooks/record.ts';
import { MOST_WEBHOOKS } from '../../../domain/webhooks.ts';
import { plantKey } from '../../support/planted-keys.ts';
import { serve } from '../../support/http.ts';
import { Shop, expectStatus, idOf } from '../../support/shop.ts';
import { startSystem } from '../../support/system.ts';
import { seal } from '../../support/tampering.ts';
import { TEST_WEBHOOKS, publishAll, signingSecrets } from '../../support/webhooks.ts';

const system = await startSystem();
const { shop, sql, database, send } = system;
await sql`insert into shop (id, name) values ('tea', 'Tea')`;
const tea = new ApiClient(send, { key: await plantKey(sql, { roles: ['merchant'], shop: 'tea' }) });

const URL_HERE = 'http://127.0.0.1:9/events?token=pst';
const shownSchema = z.looseObject({ id: z.string(), secret: z.string() });
const secretSchema = z.looseObject({ secret: z.string() });

async function registered(body: object = {}, caller: ApiClient = shop) {
  const answer = expectStatus(await caller.post('/v1/webhooks', { url: URL_HERE, ...body }), 201);
  return shownSchema.parse(answer.body);
}
const patch = (id: string, body: object, headers: Record<string, string> = {}, caller: ApiClient = shop) =>
  caller.raw(`/v1/webhooks/${id}`, {
    method: 'PATCH',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
const read = async (id: string) => expectStatus(await shop.get(`/v1/webhooks/${id}`), 200);
const deliveriesOf = async (id: string, query = '') =>
  z
    .object({ items: z.array(z.looseObject({ id: z.string() })), nextCursor: z.string().nullable() })
    .parse(expectStatus(await shop.get(`/v1/webhooks/${id}/deliveries${query}`), 200).body);

const secretsOf = (webhookId: string) => signingSecrets(database, webhookId);

describe('registering', () => {
  test('shows the secret once, to the first answer alone, and keeps it nowhere as it is', async () => {
    const key = randomUUID();
    const body = { url: URL_HERE, description: 'the warehouse', types: ['order.paid'] };
    const first = expectStatus(await shop.post('/v1/webhooks', body, { key }), 201);
    const { id, secret } = shownSchema.parse(first.body);
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(first.headers.get('location')).toBe(`/v1/webhooks/${id}`);
    expect(first.headers.get('cache-control')).toBe('no-store');
    const shown = Object.fromEntries(Object.entries(first.body).filter(([name]) => name !== 'secret'));
    expect(shown).toMatchObject({ ...body, state: 'active', disabledReason: null, failingSince: null });
    const replayed = expectStatus(await shop.post('/v1/webhooks', body, { key }), 201);
    expect(replayed.body).toEqual(shown);
    expect((await read(id)).body).toEqual(shown);
    expect(await secretsOf(id)).toEqual([secret]);

    const raw = Buffer.from(secret.slice('whsec_'.length), 'base64');
    const [kept] = await sql<
      { sealed: Buffer }[]
    >`select sealed from webhook_secret where webhook_id = ${id}`;
    expect(kept?.sealed.includes(raw)).toBe(false);
    await seal(database);
    for (const table of ['webhook', 'webhook_secret', 'idempotency_key', 'audit', 'audit_inbox'])
      for (const row of await sql.unsafe(`select row_to_json(${table})::text as text from ${table}`)) {
        expect(String(row['text'])).not.toContain(secret);
        expect(String(row['text'])).not.toContain(raw.toString('hex'));
      }
  });

  test('gives the same secret to a retry whose first answer was lost', async () => {
    const key = randomUUID();
    const first = expectStatus(await shop.post('/v1/webhooks', { url: URL_HERE }, { key }), 201);
    // As if the process had been killed before it kept its answer.
    await sql`
      update idempotency_key set response_status = null, response_body = null, claimed_until = now() - interval '1 minute'
      where key = ${key}
    `;
    const again = expectStatus(await shop.post('/v1/webhooks', { url: URL_HERE }, { key }), 201);
    expect(again.body).toEqual(first.body);
  });

  test.each([
    ['a private network', 'https://10.1.2.3/'],
    ['the metadata of a cloud', 'http://169.254.169.254/latest'],
    ['loopback as IPv6 that maps IPv4', 'https://[::ffff:10.0.0.1]/'],
    ['the Internet without encryption', 'http://1.1.1.1/events'],
    ['an address with a password', 'https://user:pw@1.1.1.1/'],
    ['a name that nothing has', 'https://nobody.invalid/'],
  ])('refuses %s, and keeps no such answer', async (_, url) => {
    const { id } = await registered();
    const refused = { status: 422, body: { code: 'webhook_url_refused', errors: [{ field: 'url' }] } };
    const key = randomUUID();
    expect(await shop.post('/v1/webhooks', { url }, { key })).toMatchObject(refused);
    expect(await patch(id, { url })).toMatchObject(refused);
    expect((await read(id)).body).toMatchObject({ url: URL_HERE });
    expect(
      await sql`select from idempotency_key where key = ${key} and response_status is not null`,
    ).toHaveLength(0);
  });

  test.each([
    ['no address', {}],
    ['another protocol', { url: 'ftp://1.1.1.1/' }],
    ['no address at all', { url: 'shop' }],
    ['a type that does not exist', { url: URL_HERE, types: ['order.sent'] }],
    ['no types', { url: URL_HERE, types: [] }],
    ['a type twice', { url: URL_HERE, types: ['order.paid', 'order.paid'] }],
    ['an address that is too long', { url: `https://1.1.1.1/${'x'.repeat(2_048)}` }],
  ])('refuses %s', async (_, body) => {
    expect(await shop.post('/v1/webhooks', body)).toMatchObject({
      status: 400,
      body: { code: 'validation_failed' },
    });
  });

  test('ends at as many webhooks as a shop may have, also when many are registered at once', async () => {
    await sql`insert into shop (id, name) values ('full', 'Full')`;
    const full = new ApiClient(send, { key: await plantKey(sql, { roles: ['merchant'], shop: 'full' }) });
    await sql`
      insert into webhook (id, shop_id, url, created_at, created_by, updated_at)
      select gen_random_uuid(), 'full', 'https://1.1.1.1/', now(), 'test', now() from generate_series(3, ${MOST_WEBHOOKS}::integer)
    `;
    const answers = await Promise.all(
      Array.from({ length: 6 }, () => full.post('/v1/webhooks', { url: URL_HERE })),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(2);
    for (const { status, body } of answers.filter((answer) => answer.status !== 201))
      expect([status, body.code]).toEqual([409, 'too_many_webhooks']);
  });

  test('needs the keys of webhooks; reading, changing and removing do not', async () => {
    const { id } = await registered();
    const { shop: keyless } = await serve(system, { webhooks: { ...TEST_WEBHOOKS, keys: undefined } });
    const unavailable = { status: 503, body: { code: 'webhooks_unavailable' } };
    expect(await keyless.post('/v1/webhooks', { url: URL_HERE })).toMatchObject(unavailable);
    expect(await keyless.post(`/v1/webhooks/${id}/secrets`, { overlapSeconds: 1 })).toMatchObject(
      unavailable,
    );
    expect(await keyless.post(`/v1/webhooks/${id}/test-events`, undefined)).toMatchObject(unavailable);
    expectStatus(await keyless.get(`/v1/webhooks/${id}`), 200);
    expectStatus(await patch(id, { enabled: false }, {}, keyless), 200);
    expectStatus(await keyless.raw(`/v1/webhooks/${id}`, { method: 'DELETE' }), 204);
  });
});

describe('rotating', () => {
  test('shows another secret, and both sign until the earlier one expires', async () => {
    const { id, secret } = await registered();
    const rotate = async (overlapSeconds: number) =>
      expectStatus(await shop.post(`/v1/webhooks/${id}/secrets`, { overlapSeconds }), 200).body;
    const rotated = await rotate(60);
    const { secret: next } = secretSchema.parse(rotated);
    expect(await secretsOf(id)).toEqual([next, secret]);
    const until = Date.parse(z.string().parse(rotated['othersUntil']));
    expect(Math.abs(until - Date.now() - 60_000)).toBeLessThan(10_000);
    const { secret: last, othersUntil } = secretSchema.parse(await rotate(0));
    expect(await secretsOf(id)).toEqual([last]);
    expect(othersUntil).toBeNull();
  });

  test('however often it is done, few secrets sign, and the newest among them', async () => {
    const { id } = await registered();
    let newest = '';
    for (let n = 0; n < 8; n += 1)
      newest = secretSchema.parse(
        expectStatus(await shop.post(`/v1/webhooks/${id}/secrets`, { overlapSeconds: 600 }), 200).body,
      ).secret;
    const signing = await secretsOf(id);
    expect(signing).toHaveLength(5);
    expect(signing[0]).toBe(newest);
  });
});

describe('changing', () => {
  test('changes what is given and leaves the rest, if the webhook is as it was read', async () => {
    const { id } = await registered({ description: 'one', types: ['order.paid'] });
    const tag = (await read(id)).headers.get('etag') ?? '';
    const changed = await patch(id, { types: null }, { 'if-match': tag });
    expect(expectStatus(changed, 200).body).toMatchObject({ description: 'one', types: null, url: URL_HERE });
    expect(changed.headers.get('etag')).not.toBe(tag);
    expect(await patch(id, { description: 'two' }, { 'if-match': tag })).toMatchObject({
      status: 412,
      body: { code: 'precondition_failed' },
    });
    expect(
      await shop.raw(`/v1/webhooks/${id}`, { method: 'DELETE', headers: { 'if-match': tag } }),
    ).toMatchObject({ status: 412 });
    expect((await patch(id, {})).status).toBe(400);
    expect((await read(id)).body).toMatchObject({ description: 'one' });
    const current = (await read(id)).headers.get('etag') ?? '';
    const known = await shop.raw(`/v1/webhooks/${id}`, { headers: { 'if-none-match': current } });
    expect(known.status).toBe(304);
  });

  test('switched off, it collects nothing; switched on, it works again', async () => {
    const { id } = await registered({}, shop);
    expect(expectStatus(await patch(id, { enabled: false }), 200).body).toMatchObject({
      state: 'disabled',
      disabledReason: 'owner',
    });
    const disabled = { status: 409, body: { code: 'webhook_disabled' } };
    expect(await shop.post(`/v1/webhooks/${id}/test-events`, undefined)).toMatchObject(disabled);
    const range = { from: '2026-01-01T00:00:00Z', to: '2030-01-01T00:00:00Z' };
    expect(await shop.post(`/v1/webhooks/${id}/redeliveries`, range)).toMatchObject(disabled);
    const order = await shop.placed(await shop.wallet(1_000), await shop.sku(5));
    await publishAll(database);
    expect((await deliveriesOf(id)).items).toEqual([]);
    expect(expectStatus(await patch(id, { enabled: true }), 200).body).toMatchObject({
      state: 'active',
      disabledReason: null,
    });
    expectStatus(await shop.cancel(order), 200);
    await publishAll(database);
    expect((await deliveriesOf(id)).items).toMatchObject([{ type: 'order.cancelled' }]);
  });

  test('switched on after it failed for too long, it starts anew, and what was tried in vain is due', async () => {
    const { id } = await registered();
    await shop.placed(await shop.wallet(1_000), await shop.sku(5));
    await publishAll(database);
    const at = new Date().toISOString();
    const due = await claimDue(database, { webhookId: id, at, limit: 10, lease: 60_000 });
    const [first] = due?.deliveries ?? [];
    if (!first) throw new Error('The event is due.');
    const failed = { deliveryId: first.id, number: 1, at, durationMs: 3, status: 500, cause: null } as const;
    const dueAt = new Date(Date.now() + 3_600_000).toISOString();
    await recordAttempts(database, {
      webhookId: id,
      at,
      retryAt: dueAt,
      attempts: [{ ...failed, failure: 'refused', next: { dueAt } }],
    });
    await disableWebhook(database, { webhookId: id, reason: 'failing' });
    expect((await read(id)).body).toMatchObject({
      state: 'disabled',
      disabledReason: 'failing',
      failingSince: expect.any(String),
    });
    expect(expectStatus(await patch(id, { enabled: true }), 200).body).toMatchObject({ failingSince: null });
    const again = await claimDue(database, {
      webhookId: id,
      at: new Date().toISOString(),
      limit: 10,
      lease: 60_000,
    });
    expect(again?.deliveries).toMatchObject([{ id: first.id, number: 2 }]);
    const attempts = await shop.get(`/v1/webhooks/${id}/deliveries/${first.id}/attempts`);
    expect(expectStatus(attempts, 200).body['items']).toMatchObject([
      { number: 1, status: 500, failure: 'refused', durationMs: 3 },
    ]);
  });
});

describe('another shop', () => {
  test('finds nothing of a webhook, in no list and by no id, and changes nothing', async () => {
    const { id } = await registered();
    const delivery = idOf(expectStatus(await shop.post(`/v1/webhooks/${id}/test-events`, undefined), 201));
    const before = (await read(id)).body;
    const missing = { status: 404, body: { code: 'not_found' } };
    for (const answer of [
      await tea.get(`/v1/webhooks/${id}`),
      await tea.get(`/v1/webhooks/${id}/deliveries`),
      await tea.get(`/v1/webhooks/${id}/deliveries/${delivery}`),
      await tea.get(`/v1/webhooks/${id}/deliveries/${delivery}/attempts`),
      await patch(id, { url: 'https://1.1.1.1/mine' }, {}, tea),
      await tea.raw(`/v1/webhooks/${id}`, { method: 'DELETE' }),
      await tea.post(`/v1/webhooks/${id}/secrets`, { overlapSeconds: 0 }),
      await tea.post(`/v1/webhooks/${id}/test-events`, undefined),
      await tea.post(`/v1/webhooks/${id}/redeliveries`, {
        from: '2026-01-01T00:00:00Z',
        to: '2030-01-01T00:00:00Z',
      }),
    ])
      expect(answer).toMatchObject(missing);
    const own = await registered({}, tea);
    expect((await tea.get(`/v1/webhooks/${own.id}/deliveries/${delivery}`)).status).toBe(404);
    expect(JSON.stringify((await tea.get('/v1/webhooks')).body)).not.toContain(id);
    expect(JSON.stringify((await shop.get('/v1/webhooks?limit=100')).body)).not.toContain(own.id);
    expect((await read(id)).body).toEqual(before);
    expect(await secretsOf(id)).toHaveLength(1);
  });
});

test('operators and auditors read webhooks, and change none', async () => {
  const { id } = await registered();
  for (const role of ['operator', 'auditor'] as const) {
    const staff = new ApiClient(send, { key: await plantKey(sql, { roles: [role], shop: 'main' }) });
    expectStatus(await staff.get(`/v1/webhooks/${id}`), 200);
    expectStatus(await staff.get(`/v1/webhooks/${id}/deliveries`), 200);
    expect(await patch(id, { enabled: false }, {}, staff)).toMatchObject({ status: 403 });
    expect(await staff.post(`/v1/webhooks/${id}/secrets`, { overlapSeconds: 0 })).toMatchObject({
      status: 403,
    });
  }
});

test('who changed a webhook is in the audit, without its secret and without what is behind its question mark', async () => {
  const { id, secret } = await registered();
  expectStatus(await patch(id, { enabled: false }), 200);
  expectStatus(await shop.post(`/v1/webhooks/${id}/secrets`, { overlapSeconds: 60 }), 200);
  expectStatus(await shop.raw(`/v1/webhooks/${id}`, { method: 'DELETE' }), 204);
  await seal(database);
  const answer = expectStatus(await shop.get(`/v1/audit?subject=${id}`), 200);
  const rows = z
    .array(z.looseObject({ kind: z.string(), actor: z.string(), before: z.unknown(), after: z.unknown() }))
    .parse(answer.body['items']);
  const url = 'http://127.0.0.1:9/events';
  expect(rows.map(({ kind, before, after }) => ({ kind, before, after })).toReversed()).toMatchObject([
    { kind: 'webhook', before: null, after: { url, state: 'active' } },
    { kind: 'webhook_secret', before: null, after: { expiresAt: null } },
    { kind: 'webhook', before: { state: 'active' }, after: { state: 'disabled', disabledReason: 'owner' } },
    { kind: 'webhook_secret', before: null, after: { expiresAt: null } },
    { kind: 'webhook_secret', before: { expiresAt: null }, after: { expiresAt: expect.any(String) } },
    { kind: 'webhook', before: { url, state: 'disabled' }, after: null },
  ]);
  expect(new Set(rows.map(({ actor }) => actor.split(':')[0]))).toEqual(new Set(['key']));
  expect(JSON.stringify(rows)).not.toMatch(new RegExp(`pst|${secret.slice(6, 30).replaceAll('+', '\\+')}`));
});

test('a page of webhooks leads to the next, and a page of deliveries, too', async () => {
  const { id } = await registered();
  const merchant = new Shop(send);
  for (let n = 0; n < 3; n += 1)
    expectStatus(await merchant.post(`/v1/webhooks/${id}/test-events`, undefined), 201);
  const first = await deliveriesOf(id, '?limit=2');
  const second = await deliveriesOf(id, `?limit=2&cursor=${first.nextCursor ?? ''}`);
  expect([first.items.length, second.items.length, second.nextCursor]).toEqual([2, 1, null]);
  expect(new Set([...first.items, ...second.items].map((one) => one.id)).size).toBe(3);
  expect((await deliveriesOf(id, '?state=delivered')).items).toEqual([]);
  expect((await deliveriesOf(id, '?state=pending')).items).toHaveLength(3);
});
