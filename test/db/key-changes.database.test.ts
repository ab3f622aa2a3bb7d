/** Keys are made, rotated and revoked so that exactly the texts that should work are stored, as hashes. */
import { beforeEach, describe, expect, test } from 'vitest';
import {
  createKey,
  findDevelopmentKeys,
  findKey,
  isDevelopmentKey,
  listKeys,
  revokeKey,
  rotateKey,
  type ApiKey,
  type NewKey,
} from '../../db/key-changes.ts';
import { putShop } from '../../db/shops.ts';
import { makeKeyId, makeKeyText } from '../../domain/api-key.ts';
import { ALL_SHOPS, MAIN_SHOP } from '../../domain/shops.ts';
import { freshDatabase } from '../support/database.ts';

const { database, sql } = await freshDatabase();

const HOUR_MS = 3_600_000;

beforeEach(() => putShop(database, { id: 'north', name: 'North' }));

/** A key to be made, and the text that its holder gets. */
function aKey(more: Partial<NewKey> = {}): NewKey & { text: string } {
  const id = more.id ?? makeKeyId();
  return {
    id,
    shop: MAIN_SHOP,
    name: 'checkout',
    roles: ['merchant'],
    scopes: null,
    createdBy: 'test',
    expiresIn: null,
    ...makeKeyText(id),
    ...more,
  };
}

async function made(more: Partial<NewKey> = {}): Promise<{ key: ApiKey; hash: string }> {
  const request = aKey(more);
  const result = await createKey(database, request);
  if (result.outcome !== 'created') throw new Error('The key was not made.');
  return { key: result.key, hash: request.hash };
}

/** The hashes that open this key, with the seconds that each has left. */
async function secretsOf(id: string): Promise<Map<string, number | null>> {
  const rows = await sql<{ hash: string; left: number | null }[]>`
    select hash, round(extract(epoch from expires_at - now()))::int as left from api_key_secret where key_id = ${id}
  `;
  return new Map(rows.map(({ hash, left }) => [hash, left]));
}

describe('a key that is made', () => {
  test('has what was asked for, and of its text only the hash is stored', async () => {
    const request = aKey({
      shop: 'north',
      roles: ['merchant', 'auditor'],
      scopes: ['skus:read'],
      expiresIn: HOUR_MS,
    });
    const result = await createKey(database, request);
    expect(result).toMatchObject({
      outcome: 'created',
      key: {
        id: request.id,
        shopId: 'north',
        name: 'checkout',
        roles: ['merchant', 'auditor'],
        scopes: ['skus:read'],
        createdBy: 'test',
        revokedAt: null,
        lastUsedAt: null,
        isDevelopment: false,
      },
    });
    const key = await findKey(database, request.id);
    expect((key?.expiresAt?.getTime() ?? 0) - (key?.createdAt.getTime() ?? 0)).toBe(HOUR_MS);
    expect([...(await secretsOf(request.id))]).toEqual([[request.hash, null]]);
    const rows = await sql`
      select api_key::text as row from api_key union all select api_key_secret::text from api_key_secret
    `;
    const secret = request.text.split('_')[2] ?? '';
    expect(JSON.stringify(rows)).toContain(request.hash);
    expect(JSON.stringify(rows)).not.toContain(secret);
  });

  test('again by the same request is one key, and both texts open it', async () => {
    const first = aKey();
    const second = aKey({ id: first.id, name: 'another name' });
    await createKey(database, first);
    expect(await createKey(database, second)).toMatchObject({
      outcome: 'created',
      key: { name: 'checkout' },
    });
    expect(new Set((await secretsOf(first.id)).keys())).toEqual(new Set([first.hash, second.hash]));
  });

  test('for a shop that does not exist is not made', async () => {
    const request = aKey({ shop: 'nowhere' });
    expect(await createKey(database, request)).toEqual({ outcome: 'unknown_shop' });
    expect((await secretsOf(request.id)).size).toBe(0);
  });
});

describe('a key that is rotated', () => {
  test('is opened by the new text at once, and by the earlier one until the overlap ends', async () => {
    const { key, hash } = await made();
    const next = makeKeyText(key.id);
    expect(await rotateKey(database, { id: key.id, hash: next.hash, overlap: HOUR_MS })).toMatchObject({
      outcome: 'rotated',
      key: { id: key.id, name: 'checkout' },
    });
    expect(await secretsOf(key.id)).toEqual(
      new Map([
        [hash, 3_600],
        [next.hash, null],
      ]),
    );
  });

  test('again sooner ends the earlier texts sooner, and never later', async () => {
    const { key, hash } = await made();
    const [second, third, fourth] = [makeKeyText(key.id), makeKeyText(key.id), makeKeyText(key.id)];
    await rotateKey(database, { id: key.id, hash: second.hash, overlap: HOUR_MS });
    await rotateKey(database, { id: key.id, hash: third.hash, overlap: 24 * HOUR_MS });
    await rotateKey(database, { id: key.id, hash: fourth.hash, overlap: 2 * HOUR_MS });
    const left = await secretsOf(key.id);
    expect(left.get(hash)).toBe(3_600);
    expect(left.get(second.hash)).toBe(7_200);
    expect(left.get(third.hash)).toBe(7_200);
    expect(left.get(fourth.hash)).toBeNull();
  });

  test('without an overlap is opened by the new text alone', async () => {
    const { key, hash } = await made();
    const next = makeKeyText(key.id);
    await rotateKey(database, { id: key.id, hash: next.hash, overlap: 0 });
    const left = await secretsOf(key.id);
    expect(left.get(hash)).toBeLessThanOrEqual(0);
    expect(left.get(next.hash)).toBeNull();
  });

  test.each([
    ['was revoked', (id: string) => sql`update api_key set revoked_at = now() where id = ${id}`],
    [
      'has expired',
      (id: string) =>
        sql`update api_key set created_at = now() - interval '2 hours', expires_at = now() - interval '1 hour' where id = ${id}`,
    ],
  ])('after it %s stays as it is', async (_what, end) => {
    const { key, hash } = await made();
    await end(key.id);
    const next = makeKeyText(key.id);
    expect(await rotateKey(database, { id: key.id, hash: next.hash, overlap: 0 })).toEqual({
      outcome: 'not_usable',
    });
    expect([...(await secretsOf(key.id))]).toEqual([[hash, null]]);
  });

  test('is reported when there is none', async () => {
    const { hash } = makeKeyText('aaaaaaaaaaaa');
    expect(await rotateKey(database, { id: 'aaaaaaaaaaaa', hash, overlap: 0 })).toEqual({
      outcome: 'unknown_key',
    });
  });
});

describe('a key that is revoked', () => {
  test('ends at the first revocation, and stays so', async () => {
    const { key } = await made();
    const first = await revokeKey(database, key.id);
    expect(first?.revokedAt).toBeInstanceOf(Date);
    expect(await revokeKey(database, key.id)).toEqual(first);
    expect(await revokeKey(database, 'aaaaaaaaaaaa')).toBeUndefined();
  });
});

describe('within a shop', () => {
  const main = database.reaching({ shop: MAIN_SHOP });
  const installation = database.reaching({ shop: ALL_SHOPS });

  test("another shop's key, and one of the installation, cannot be seen, rotated or revoked", async () => {
    for (const shop of ['north', null]) {
      const { key, hash } = await made({ shop });
      const next = makeKeyText(key.id);
      expect(await findKey(main, key.id)).toBeUndefined();
      expect(await revokeKey(main, key.id)).toBeUndefined();
      expect(await rotateKey(main, { id: key.id, hash: next.hash, overlap: 0 })).toEqual({
        outcome: 'unknown_key',
      });
      expect((await listKeys(main, { after: undefined, limit: 100 })).map(({ id }) => id)).not.toContain(
        key.id,
      );
      expect(await findKey(database, key.id)).toEqual(key);
      expect([...(await secretsOf(key.id))]).toEqual([[hash, null]]);
    }
  });

  test('a key for another shop or for the installation cannot be made, nor a secret for a key of another', async () => {
    const [inNorth, ofAll] = [aKey({ shop: 'north' }), aKey({ shop: null })];
    expect(await createKey(main, inNorth)).toEqual({ outcome: 'unknown_shop' });
    await expect(createKey(main, ofAll)).rejects.toThrow(/row-level security/);
    for (const request of [inNorth, ofAll]) {
      const { key, hash } = await made({ shop: request.shop });
      await createKey(main, aKey({ id: key.id })).catch(() => {});
      expect([...(await secretsOf(key.id))]).toEqual([[hash, null]]);
      expect(await findKey(database, request.id)).toBeUndefined();
    }
  });

  test('its own keys are made, listed, rotated and revoked; the installation does so for all', async () => {
    for (const [reach, shop] of [
      [main, MAIN_SHOP],
      [installation, MAIN_SHOP],
      [installation, 'north'],
      [installation, null],
    ] as const) {
      const request = aKey({ shop });
      expect(await createKey(reach, request)).toMatchObject({ outcome: 'created' });
      expect((await listKeys(reach, { after: undefined, limit: 1 })).map(({ id }) => id)).toEqual([
        request.id,
      ]);
      const { hash } = makeKeyText(request.id);
      expect(await rotateKey(reach, { id: request.id, hash, overlap: 0 })).toMatchObject({
        outcome: 'rotated',
      });
      expect(await revokeKey(reach, request.id)).toMatchObject({ id: request.id });
    }
  });
});

describe('the list of keys', () => {
  test('has every key once, newest first, also those that were made at the same time', async () => {
    const ids = [];
    for (let n = 0; n < 5; n += 1) ids.push((await made()).key.id);
    await sql`update api_key set created_at = '2030-01-01' where id in ${sql(ids)}`;
    const seen: ApiKey[] = [];
    for (let after: ApiKey | undefined; ;) {
      const page = await listKeys(database, { after, limit: 2 });
      seen.push(...page);
      after = page.at(-1);
      if (page.length < 2) break;
    }
    const [{ count } = { count: 0 }] = await sql<
      { count: number }[]
    >`select count(*)::int as count from api_key`;
    expect(new Set(seen.map(({ id }) => id)).size).toBe(count);
    expect(seen).toHaveLength(count);
    expect(seen.slice(0, 5).map(({ id }) => id)).toEqual(ids.sort().toReversed());
    const times = seen.map(({ createdAt }) => createdAt.getTime());
    expect(times).toEqual([...times].sort((one, other) => other - one));
  });
});

describe('a development key', () => {
  test('is found while it works, and by its own text alone', async () => {
    const { key, hash } = await made({ shop: null, isDevelopment: true });
    const usual = await made({ shop: null });
    expect(await findDevelopmentKeys(database)).toContain(key.id);
    expect(await findDevelopmentKeys(database)).not.toContain(usual.key.id);
    expect(await isDevelopmentKey(database, hash)).toBe(true);
    expect(await isDevelopmentKey(database, usual.hash)).toBe(false);
    await revokeKey(database, key.id);
    expect(await findDevelopmentKeys(database)).not.toContain(key.id);
    expect(await isDevelopmentKey(database, hash)).toBe(false);
  });
});
