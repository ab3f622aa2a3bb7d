/** Keys made over HTTP open the API as long, and for as much, as was asked; their text is shown once and kept nowhere. */
import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { Credentials } from '../../../api/client.ts';
import { readKeyText } from '../../../domain/api-key.ts';
import { ALL_SHOPS } from '../../../domain/shops.ts';
import { Shop, expectStatus, type PostOptions } from '../../support/shop.ts';
import { startSystem } from '../../support/system.ts';
import { until } from '../../support/until.ts';

const { shop, sql, send } = await startSystem();

const EVERYWHERE = { headers: { 'holdfast-shop': ALL_SHOPS } };
const IN_NORTH = { headers: { 'holdfast-shop': 'north' } };

beforeAll(async () => {
  expectStatus(await shop.put('/v1/shops/north', { name: 'North' }), 201);
});

const shownKey = z.looseObject({ id: z.string(), text: z.string() });

const MERCHANT = { name: 'checkout', roles: ['merchant'] };

/** Makes a key, and returns a caller with it. */
async function made(body: object = MERCHANT, options: PostOptions = {}) {
  const { id, text } = shownKey.parse(expectStatus(await shop.post('/v1/keys', body, options), 201).body);
  return { id, text, caller: callerWith({ key: text }) };
}

const callerWith = (credentials: Credentials) => new Shop(send, credentials);

/** A call that every key with the role of a merchant may make. */
const statusOf = async (caller: Shop): Promise<number> => (await caller.get('/v1/orders')).status;

describe('a key that is made', () => {
  test('opens the API for its roles, in the shop that it was made in, and in no other', async () => {
    const { caller, id } = await made(MERCHANT, IN_NORTH);
    const sku = await caller.sku(5);
    expect((await shop.get(`/v1/skus/${sku}`)).status).toBe(404);
    expect((await shop.get(`/v1/skus/${sku}`, IN_NORTH)).status).toBe(200);
    expect(await caller.get('/v1/keys')).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    expect(expectStatus(await shop.get(`/v1/keys/${id}`, IN_NORTH), 200).body).toMatchObject({
      id,
      shop: 'north',
      name: 'checkout',
      roles: ['merchant'],
      scopes: null,
      expiresAt: null,
      revokedAt: null,
      isDevelopment: false,
    });
    expect(await shop.get(`/v1/keys/${id}`)).toMatchObject({ status: 404, body: { code: 'not_found' } });
  });

  test('with `Holdfast-Shop: *` is of the installation, and works in every shop', async () => {
    const { caller, id } = await made(MERCHANT, EVERYWHERE);
    const inNorth = await made(MERCHANT, IN_NORTH);
    const sku = await inNorth.caller.sku(1);
    expect((await caller.get(`/v1/skus/${sku}`, IN_NORTH)).status).toBe(200);
    expect(expectStatus(await shop.get(`/v1/keys/${id}`, EVERYWHERE), 200).body).toMatchObject({
      shop: null,
    });
  });

  test('with some scopes makes and rotates no key that may do more', async () => {
    const { caller } = await made({ name: 'narrow', roles: ['admin'], scopes: ['keys:write', 'skus:read'] });
    const wide = await made();
    const forbidden = { status: 403, body: { code: 'forbidden' } };
    expect(await caller.post('/v1/keys', MERCHANT)).toMatchObject(forbidden);
    expect(await caller.post('/v1/keys', { ...MERCHANT, scopes: ['skus:write'] })).toMatchObject(forbidden);
    const rotating = `/v1/keys/${wide.id}/rotations`;
    expect(await caller.post(rotating, { overlapSeconds: 0 })).toMatchObject(forbidden);
    expect(await statusOf(wide.caller)).toBe(200);
    const key = expectStatus(await caller.post('/v1/keys', { ...MERCHANT, scopes: ['skus:read'] }), 201);
    const { id } = shownKey.parse(key.body);
    expectStatus(await caller.post(`/v1/keys/${id}/rotations`, { overlapSeconds: 0 }), 201);
  });

  test('with some scopes does nothing beyond them', async () => {
    const { caller } = await made({ ...MERCHANT, scopes: ['skus:read'] });
    const sku = await shop.sku(1);
    expect((await caller.getSku(sku)).status).toBe(200);
    expect((await caller.restockSku(sku, { quantity: 1 })).status).toBe(403);
  });

  test('for a second ends then', async () => {
    const { caller, id } = await made({ ...MERCHANT, expiresInSeconds: 1 });
    expect(await statusOf(caller)).toBe(200);
    await until('the key to expire', async () => ((await statusOf(caller)) === 401 ? true : undefined));
    expect(await shop.post(`/v1/keys/${id}/rotations`, { overlapSeconds: 0 })).toMatchObject({
      status: 409,
      body: { code: 'key_not_usable' },
    });
  });

  test('is recorded with who made it', async () => {
    const admin = await made({ name: 'admin', roles: ['admin'] });
    const answer = await admin.caller.post('/v1/keys', MERCHANT);
    expect(expectStatus(answer, 201).body).toMatchObject({ createdBy: `key:${admin.id}`, shop: 'main' });
  });

  test.each([
    ['no role', { name: 'x', roles: [] }],
    ['a role twice', { name: 'x', roles: ['admin', 'admin'] }],
    ['the role of a buyer', { name: 'x', roles: ['buyer'] }],
    ['an unknown scope', { ...MERCHANT, scopes: ['skus:delete'] }],
    ['no scope', { ...MERCHANT, scopes: [] }],
    ['no name', { roles: ['merchant'] }],
    ['a life of no time', { ...MERCHANT, expiresInSeconds: 0 }],
    ['a shop', { ...MERCHANT, shop: 'north' }],
  ])('is refused with %s', async (_what, body) => {
    expect(await shop.post('/v1/keys', body)).toMatchObject({
      status: 400,
      body: { code: 'validation_failed' },
    });
  });
});

describe('the text of a key', () => {
  test('is in the first answer alone: the repeated one has all but the text, and no table has its secret', async () => {
    const key = randomUUID();
    const first = expectStatus(await shop.post('/v1/keys', MERCHANT, { key }), 201);
    const again = expectStatus(await shop.post('/v1/keys', MERCHANT, { key }), 201);
    const { text, ...rest } = shownKey.parse(first.body);
    expect(again.body).toEqual(rest);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    for (const { headers } of [first, again]) {
      expect(headers.get('location')).toBe(`/v1/keys/${rest.id}`);
      expect(headers.get('cache-control')).toBe('no-store');
    }
    await shop.get(`/v1/keys/${rest.id}`).then(({ body }) => expect(body).toEqual(rest));
    const rotation = randomUUID();
    const rotate = () =>
      shop.post(`/v1/keys/${rest.id}/rotations`, { overlapSeconds: 60 }, { key: rotation });
    const rotated = shownKey.parse(expectStatus(await rotate(), 201).body);
    expect(Object.keys(expectStatus(await rotate(), 201).body)).not.toContain('text');

    const tables = await sql<{ name: string }[]>`
      select table_name as name from information_schema.tables where table_schema = 'public'
    `;
    for (const { name } of tables)
      for (const secret of [text, rotated.text].map((shown) => shown.split('_')[2] ?? ''))
        expect(await sql`select from ${sql(name)} as row where row::text like ${`%${secret}%`}`).toHaveLength(
          0,
        );
  });

  test('of a request whose answer was not kept is another, and makes no second key', async () => {
    const key = randomUUID();
    const first = shownKey.parse(expectStatus(await shop.post('/v1/keys', MERCHANT, { key }), 201).body);
    // As when the process died before it could keep the answer.
    await sql`update idempotency_key set response_status = null, response_body = null, claimed_until = now() where key = ${key}`;
    const second = shownKey.parse(expectStatus(await shop.post('/v1/keys', MERCHANT, { key }), 201).body);
    expect(second.id).toBe(first.id);
    for (const { text } of [first, second]) expect(await statusOf(callerWith({ key: text }))).toBe(200);
  });
});

describe('a rotation', () => {
  test('gives the key another text; the earlier one works until the overlap ends, and the caller stays the same', async () => {
    const { id, caller } = await made();
    const key = randomUUID();
    const order = { ownerId: 'ada', currency: 'EUR' };
    const wallet = expectStatus(await caller.createWallet(order, { key }), 201).body;
    const answer = await shop.post(`/v1/keys/${id}/rotations`, { overlapSeconds: 3_600 });
    const next = callerWith({ key: shownKey.parse(expectStatus(answer, 201).body).text });
    expect([await statusOf(caller), await statusOf(next)]).toEqual([200, 200]);
    const repeated = expectStatus(await next.createWallet(order, { key }), 201);
    expect(repeated.headers.get('idempotency-replayed')).toBe('true');
    expect(repeated.body).toEqual(wallet);
  });

  test('without an overlap ends the earlier text within 5 seconds', async () => {
    const { id, caller } = await made();
    expect(await statusOf(caller)).toBe(200);
    const answer = await shop.post(`/v1/keys/${id}/rotations`, { overlapSeconds: 0 });
    const rotatedAt = Date.now();
    const next = callerWith({ key: shownKey.parse(expectStatus(answer, 201).body).text });
    await until('the earlier text to end', async () => ((await statusOf(caller)) === 401 ? true : undefined));
    expect(Date.now() - rotatedAt).toBeLessThan(6_500);
    expect(await statusOf(next)).toBe(200);
  });
});

describe('a revocation', () => {
  test('ends a key within 5 seconds, for good, and can be repeated', async () => {
    const { id, caller } = await made();
    expect(await statusOf(caller)).toBe(200);
    const first = expectStatus(await shop.post(`/v1/keys/${id}/revocation`), 200);
    const revokedAt = Date.now();
    expect(first.body['revokedAt']).toEqual(expect.any(String));
    expect(expectStatus(await shop.post(`/v1/keys/${id}/revocation`), 200).body).toMatchObject({
      revokedAt: first.body['revokedAt'],
    });
    await until('the key to end', async () => ((await statusOf(caller)) === 401 ? true : undefined));
    expect(Date.now() - revokedAt).toBeLessThan(6_500);
    expect(await shop.post(`/v1/keys/${id}/rotations`, { overlapSeconds: 0 })).toMatchObject({
      status: 409,
      body: { code: 'key_not_usable' },
    });
  });

  test.each(['revocation', 'rotations'])("of another shop's key (%s) finds no such key", async (path) => {
    const { id, caller } = await made(MERCHANT, IN_NORTH);
    const body = path === 'rotations' ? { overlapSeconds: 0 } : undefined;
    expect(await shop.post(`/v1/keys/${id}/${path}`, body)).toMatchObject({
      status: 404,
      body: { code: 'not_found' },
    });
    expect(await statusOf(caller)).toBe(200);
  });
});

describe('the list of keys', () => {
  test('has those of the shop, newest first, page by page, and with `*` all; none has a text', async () => {
    const inNorth = await made(MERCHANT, IN_NORTH);
    const [older, newer] = [await made(), await made()];
    const page = z.object({
      items: z.array(z.looseObject({ id: z.string() })),
      nextCursor: z.string().nullable(),
    });
    const first = page.parse(expectStatus(await shop.get('/v1/keys?limit=1'), 200).body);
    const second = page.parse(
      expectStatus(await shop.get(`/v1/keys?limit=1&cursor=${first.nextCursor}`), 200).body,
    );
    expect([...first.items, ...second.items].map(({ id }) => id)).toEqual([newer.id, older.id]);
    const inMain = page.parse(expectStatus(await shop.get('/v1/keys?limit=100'), 200).body);
    expect(inMain.items.map(({ id }) => id)).not.toContain(inNorth.id);
    const all = page.parse(expectStatus(await shop.get('/v1/keys?limit=100', EVERYWHERE), 200).body);
    expect(all.items.map(({ id }) => id)).toEqual(expect.arrayContaining([inNorth.id, older.id, newer.id]));
    expect(JSON.stringify(all)).not.toContain('hf_');
    expect(readKeyText(older.text)?.keyId).toBe(older.id);
  });
});
