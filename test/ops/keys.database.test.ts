/** `npm run keys` as an operator runs it: the text of a key is all that goes to standard output, and only once. */
import { describe, expect, test } from 'vitest';
import { findKey, revokeKey } from '../../db/key-changes.ts';
import { putShop } from '../../db/shops.ts';
import { readKeyText } from '../../domain/api-key.ts';
import { freshDatabase } from '../support/database.ts';
import { startScript } from '../support/server-process.ts';

const { url, database, sql } = await freshDatabase();

async function keys(...args: string[]) {
  const command = startScript('ops/keys.ts', { DATABASE_URL: url }, { args });
  const code = await command.ended;
  return { code, output: command.output(), printed: command.printed() };
}

/** The key that the one line on standard output opens. */
function keyIn({ code, output, printed }: Awaited<ReturnType<typeof keys>>): { keyId: string; hash: string } {
  expect(code, output).toBe(0);
  expect(printed).toMatch(/^hf_\w+\n$/);
  const print = readKeyText(printed.trimEnd());
  if (print === undefined) throw new Error(`${printed} is no key.`);
  return print;
}

const hashesOf = async (keyId: string): Promise<string[]> => {
  const rows = await sql<{ hash: string }[]>`
    select hash from api_key_secret where key_id = ${keyId} and (expires_at is null or expires_at > now())
  `;
  return rows.map(({ hash }) => hash);
};

describe('npm run keys -- create', () => {
  test('prints the text alone, so that it can be piped, and says on standard error what it made', async () => {
    await putShop(database, { id: 'north', name: 'North' });
    const limits = ['--shop', 'north', '--scope', 'orders:read', 'skus:read', '--expires', '90d'];
    const created = await keys('create', '--name', ' checkout ', '--role', 'merchant', 'auditor', ...limits);
    const { keyId, hash } = keyIn(created);
    expect(await hashesOf(keyId)).toEqual([hash]);
    const key = await findKey(database, keyId);
    expect(key).toMatchObject({
      name: 'checkout',
      shopId: 'north',
      roles: ['merchant', 'auditor'],
      scopes: ['skus:read', 'orders:read'],
      isDevelopment: false,
    });
    expect(key?.createdBy).toMatch(/^command:./);
    expect((key?.expiresAt?.getTime() ?? 0) - (key?.createdAt.getTime() ?? 0)).toBe(90 * 86_400_000);
    expect(created.output.replace(created.printed, '')).toMatch(
      new RegExp(`^${keyId}  shop north  merchant,auditor  .*expires 20\\S+Z  never used  "checkout"\\n$`),
    );
  });

  test('without a shop, scopes and an end makes a key of the installation that does not expire', async () => {
    const { keyId } = keyIn(await keys('create', '--name', 'ops', '--role', 'admin'));
    expect(await findKey(database, keyId)).toMatchObject({ shopId: null, scopes: null, expiresAt: null });
  });

  test.each([
    [
      'a shop that does not exist',
      ['--role', 'merchant', '--shop', 'nowhere'],
      1,
      /There is no shop nowhere\./,
    ],
    ['an empty name', ['--role', 'merchant', '--name', ' '], 1, /The name must have 1 to 200 characters\./],
    ['the role of a buyer', ['--role', 'buyer'], 2, /'buyer' is invalid.*merchant, operator, auditor, admin/],
    ['an unknown scope', ['--role', 'merchant', '--scope', 'all'], 2, /'all' is invalid/],
    ['no role', [], 2, /'--role <role...>' not specified/],
    ['a life of no time', ['--role', 'merchant', '--expires', '0s'], 2, /must be a duration/],
  ])('makes nothing for %s, and prints nothing to pipe', async (_what, args, code, message) => {
    const before = await sql`select count(*) from api_key`;
    const refused = await keys('create', '--name', 'x', ...args);
    expect(refused).toMatchObject({ code, printed: '', output: expect.stringMatching(message) });
    expect(refused.output).not.toMatch(/^ +at /m);
    expect(await sql`select count(*) from api_key`).toEqual(before);
  });
});

describe('npm run keys -- rotate', () => {
  test('prints another text, and lets the earlier one end after a day unless asked otherwise', async () => {
    const first = keyIn(await keys('create', '--name', 'x', '--role', 'merchant'));
    const rotated = await keys('rotate', first.keyId);
    const second = keyIn(rotated);
    expect(rotated.output).toContain('Its earlier texts end in 86400 s.');
    expect(second.keyId).toBe(first.keyId);
    expect(new Set(await hashesOf(first.keyId))).toEqual(new Set([first.hash, second.hash]));
    const third = keyIn(await keys('rotate', first.keyId, '--overlap', '0s'));
    expect(await hashesOf(first.keyId)).toEqual([third.hash]);
  });

  test('gives a revoked key, and one that does not exist, nothing', async () => {
    const { keyId } = keyIn(await keys('create', '--name', 'x', '--role', 'merchant'));
    await revokeKey(database, keyId);
    expect(await keys('rotate', keyId)).toMatchObject({ code: 1, printed: '', output: /was revoked/ });
    expect(await keys('rotate', 'aaaaaaaaaaaa')).toMatchObject({ code: 1, printed: '' });
  });
});

describe('npm run keys -- revoke and list', () => {
  test('end a key, and show every key without a text', async () => {
    const { keyId } = keyIn(await keys('create', '--name', 'for the list', '--role', 'merchant'));
    expect(await keys('revoke', keyId)).toMatchObject({ code: 0, printed: '' });
    expect(await keys('revoke', keyId)).toMatchObject({ code: 0 });
    expect(await keys('revoke', 'aaaaaaaaaaaa')).toMatchObject({
      code: 1,
      output: 'There is no key aaaaaaaaaaaa.\n',
    });
    const listed = await keys('list');
    const [{ count } = { count: 0 }] = await sql<
      { count: number }[]
    >`select count(*)::int as count from api_key`;
    expect(listed.printed.trimEnd().split('\n')).toHaveLength(count);
    expect(listed.printed).toMatch(new RegExp(`${keyId} .*revoked 20\\S+Z .*"for the list"`));
    expect(listed.printed).toContain('for development');
    expect(listed.output).not.toContain('hf_');
  });
});
