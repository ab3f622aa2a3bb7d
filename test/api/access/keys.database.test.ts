/** What the database says of an API key is used for a short time, and by all requests that ask at once. */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { KnownKeys } from '../../../api/access/keys.ts';
import type { Database } from '../../../db/connection.ts';
import { DatabaseBusyError } from '../../../db/errors.ts';
import { readKeyText, type KeyPrint } from '../../../domain/api-key.ts';
import { freshDatabase } from '../../support/database.ts';
import { plantKey, type PlantedKey } from '../../support/planted-keys.ts';
import { until } from '../../support/until.ts';

const { database, sql } = await freshDatabase();
const logger = pino({ level: 'silent' });

/** Looks keys up and counts the queries. */
function counting(times?: ConstructorParameters<typeof KnownKeys>[2]) {
  let queries = 0;
  const counted: Database = {
    ...database,
    run: (query) => {
      queries += 1;
      return database.run(query);
    },
  };
  return { keys: new KnownKeys(counted, logger, times), queries: () => queries };
}
const SELDOM = { kept: 5_000, useNotedEvery: 60_000 };

async function planted(key: Partial<PlantedKey> = {}): Promise<KeyPrint> {
  return printOf(await plantKey(sql, { roles: ['merchant'], shop: 'main', ...key }));
}
function printOf(text: string): KeyPrint {
  const print = readKeyText(text);
  if (!print) throw new Error('This is no key.');
  return print;
}
const revoke = ({ keyId }: KeyPrint) => sql`update api_key set revoked_at = now() where id = ${keyId}`;

describe('a key', () => {
  test('says who its holder is, and what that holder may do where', async () => {
    const { keys } = counting();
    const print = await planted({ roles: ['merchant', 'operator'], scopes: ['orders:read', 'skus:read'] });
    expect(await keys.identify(print)).toEqual({
      id: `key:${print.keyId}`,
      roles: ['merchant', 'operator'],
      scopes: new Set(['orders:read', 'skus:read']),
      shop: 'main',
    });
    const whole = await planted({ roles: ['auditor'], shop: null });
    expect(await keys.identify(whole)).toEqual({
      id: `key:${whole.keyId}`,
      roles: ['auditor'],
      scopes: undefined,
      shop: null,
    });
  });

  test('is looked up once by requests that come at once and by those that come soon after', async () => {
    const { keys, queries } = counting(SELDOM);
    const print = await planted();
    const found = await Promise.all(Array.from({ length: 50 }, () => keys.identify(print)));
    expect(new Set(found.map((identity) => identity?.id))).toEqual(new Set([`key:${print.keyId}`]));
    for (let index = 0; index < 50; index += 1) await keys.identify(print);
    // One of them notes the use.
    expect(queries()).toBe(2);
  });

  test('that nobody made is looked up each time, and pushes no other out', async () => {
    const { keys, queries } = counting(SELDOM);
    const print = await planted();
    await keys.identify(print);
    const guess = { ...print, hash: randomBytes(32).toString('hex') };
    for (let index = 0; index < 20; index += 1) expect(await keys.identify(guess)).toBeUndefined();
    await keys.identify(print);
    expect(queries()).toBe(22);
  });

  test('that was revoked is refused once what is known of it is too old, however often it is used', async () => {
    const { keys } = counting({ kept: 1_000, useNotedEvery: 60_000 });
    const print = await planted();
    await keys.identify(print);
    await revoke(print);
    const revoked = performance.now();
    while ((await keys.identify(print)) !== undefined) await sleep(10);
    expect(performance.now() - revoked).toBeLessThan(3_000);
    expect(await keys.identify(print)).toBeUndefined();
  });

  test('that expires is refused from that moment on, also while it is remembered', async () => {
    for (const expiring of [
      { expiresIn: 1_500 },
      { secretExpiresIn: 1_500 },
      { expiresIn: 60_000, secretExpiresIn: 1_500 },
    ]) {
      const { keys, queries } = counting(SELDOM);
      const print = await planted(expiring);
      const made = performance.now();
      expect(await keys.identify(print)).toBeDefined();
      while ((await keys.identify(print)) !== undefined) await sleep(5);
      expect(performance.now() - made).toBeLessThan(4_000);
      expect(queries()).toBeLessThanOrEqual(2);
    }
  });

  test('is not taken for another one that has the same hash', async () => {
    const { keys } = counting();
    const print = await planted();
    expect(await keys.identify({ ...print, keyId: 'aaaaaaaaaaaa' })).toBeUndefined();
  });

  test('that could not be looked up is looked up again by the next request', async () => {
    let isBusy = true;
    const failing: Database = {
      ...database,
      run: (query) => (isBusy ? Promise.reject(new DatabaseBusyError()) : database.run(query)),
    };
    const keys = new KnownKeys(failing, logger);
    const print = await planted();
    await expect(keys.identify(print)).rejects.toBeInstanceOf(DatabaseBusyError);
    isBusy = false;
    expect(await keys.identify(print)).toBeDefined();
  });
});

describe('the last use of a key', () => {
  const lastUse = async ({ keyId }: KeyPrint) => {
    const [row] = await sql<
      { at: Date | null }[]
    >`select last_used_at as at from api_key where id = ${keyId}`;
    return row?.at ?? null;
  };

  test('is noted after the request, and not again for a while, by this process or another', async () => {
    const print = await planted();
    const { keys } = counting();
    await keys.identify(print);
    const first = await until('the use to be noted', async () => (await lastUse(print)) ?? undefined);
    for (const other of [keys, counting().keys]) await other.identify(print);
    await sleep(50);
    expect(await lastUse(print)).toEqual(first);

    const often = counting({ kept: 5_000, useNotedEvery: 1 }).keys;
    await sleep(5);
    await often.identify(print);
    await until(
      'the next use to be noted',
      async () => (await lastUse(print))?.getTime() !== first.getTime(),
    );
  });

  test('is not waited for: a request goes on while the row is locked, or when it cannot be noted', async () => {
    const print = await planted();
    const { keys } = counting();
    await sql.begin(async (transaction) => {
      await transaction`select from api_key where id = ${print.keyId} for update`;
      const begun = performance.now();
      expect(await keys.identify(print)).toBeDefined();
      expect(performance.now() - begun).toBeLessThan(950);
      // Longer than the note waits for the lock.
      await sleep(1_200);
    });
    expect(await lastUse(print)).toBeNull();
  });

  test('of a key that is refused is not noted', async () => {
    const print = await planted({ isRevoked: true });
    await counting().keys.identify(print);
    await sleep(50);
    expect(await lastUse(print)).toBeNull();
  });
});
