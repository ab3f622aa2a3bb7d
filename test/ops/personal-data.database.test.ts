/** `npm run personal-data` as an operator runs it. */
import { writeFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { erasePersonalData, findPersonalData, recordPersonalData } from '../../db/personal-data.ts';
import { freshDatabase } from '../support/database.ts';
import { aKey, readKeys, type KeySettings } from '../support/personal-data.ts';
import { startScript } from '../support/server-process.ts';

const { url, database, sql } = await freshDatabase();
const folder = await mkdtemp(join(tmpdir(), 'holdfast-personal-data-'));
afterAll(() => rm(folder, { recursive: true }));
beforeEach(() => sql`truncate buyer_key, personal_data`);

const [older, newer, olderIndex, newerIndex] = [aKey('older'), aKey('newer'), aKey('ix-1'), aKey('ix-2')];
const before = { PERSONAL_DATA_KEYS: older, PERSONAL_DATA_INDEX_KEYS: olderIndex };
const both = {
  PERSONAL_DATA_KEYS: `${newer},${older}`,
  PERSONAL_DATA_INDEX_KEYS: `${newerIndex},${olderIndex}`,
};
const DATA = { contact: { email: 'ada@example.com' }, deliveryNote: 'Ring twice' };

async function command(settings: Partial<KeySettings>, ...args: string[]) {
  const started = startScript('ops/personal-data.ts', { DATABASE_URL: url, ...settings }, { args });
  const code = await started.ended;
  return { code, output: started.output() };
}
async function record(buyerId: string, settings: KeySettings = before): Promise<string> {
  const orderId = uuidv7();
  await recordPersonalData(database, readKeys(settings), { shopId: 'main', buyerId, orderId, data: DATA });
  return orderId;
}

describe('npm run personal-data', () => {
  test('rotates, and says how much each key is needed for before and after', async () => {
    const orderId = await record('ada');
    await record('bob');
    expect(await command(both, 'status')).toEqual({
      code: 0,
      output: [
        "PERSONAL_DATA_KEYS  newer  0 buyers' keys  current",
        "PERSONAL_DATA_KEYS  older  2 buyers' keys  still needed: rotate",
        'PERSONAL_DATA_INDEX_KEYS  ix-2  0 addresses  current',
        'PERSONAL_DATA_INDEX_KEYS  ix-1  2 addresses  still needed: rotate',
        '',
      ].join('\n'),
    });
    expect(await command(both, 'rotate')).toEqual({
      code: 0,
      output: [
        "2 buyers' keys were encrypted with newer.",
        '2 addresses were indexed with ix-2.',
        "PERSONAL_DATA_KEYS  newer  2 buyers' keys  current",
        "PERSONAL_DATA_KEYS  older  0 buyers' keys  needed no longer",
        'PERSONAL_DATA_INDEX_KEYS  ix-2  2 addresses  current',
        'PERSONAL_DATA_INDEX_KEYS  ix-1  0 addresses  needed no longer',
        '',
      ].join('\n'),
    });
    const after = readKeys({ PERSONAL_DATA_KEYS: newer, PERSONAL_DATA_INDEX_KEYS: newerIndex });
    expect(await findPersonalData(database, after, orderId)).toEqual(DATA);
    const [noted] = await sql`select actor, shop_id, before, after from audit_inbox where subject = 'keys'`;
    expect(noted).toEqual({
      actor: 'command:personal-data',
      shop_id: null,
      before: { 'wrapping older': 2, 'index ix-1': 2 },
      after: { 'wrapping newer': 2, 'index ix-2': 2 },
    });
  });

  test('fails when a key is missing, and names it', async () => {
    await record('ada');
    const without = { PERSONAL_DATA_KEYS: newer, PERSONAL_DATA_INDEX_KEYS: newerIndex };
    const [rotated, unset] = await Promise.all([command(without, 'rotate'), command({}, 'status')]);
    expect(rotated).toMatchObject({
      code: 1,
      output: expect.stringContaining('1 could not be: PERSONAL_DATA_KEYS has no key older'),
    });
    expect(rotated.output).toContain("PERSONAL_DATA_KEYS  older  1 buyers' keys  MISSING in the settings");
    expect(unset).toMatchObject({ code: 1, output: expect.stringContaining('Set PERSONAL_DATA_KEYS') });
  });

  test('erases a buyer for a reason, without any key', async () => {
    const [hers, his] = [await record('ada'), await record('bob')];
    expect(await command({}, 'erase', 'ada', '--shop', 'main')).toMatchObject({ code: 2 });
    expect(await command({}, 'erase', 'ada', '--shop', 'main', '--reason', ' ')).toMatchObject({ code: 1 });
    const erase = () => command({}, 'erase', 'ada', '--shop', 'main', '--reason', 'asked to');
    expect(await erase()).toEqual({ code: 0, output: 'Erased from 1 order.\n' });
    expect(await erase()).toEqual({ code: 0, output: 'There was nothing to erase.\n' });
    expect(await findPersonalData(database, readKeys(before), hers)).toBeUndefined();
    expect(await findPersonalData(database, readKeys(before), his)).toEqual(DATA);
    const noted = await sql`select actor, why, before from audit_inbox where subject = 'ada'`;
    expect([...noted]).toEqual([{ actor: 'command:personal-data', why: 'asked to', before: { orders: 1 } }]);
  });

  test('erases again what a restored backup has brought back, by an export of the audit', async () => {
    const [hers, his] = [await record('eve'), await record('bob')];
    const keys = await sql`select * from buyer_key where buyer_id = 'eve'`;
    const fields = await sql`select * from personal_data where buyer_id = 'eve'`;
    await erasePersonalData(database, { shopId: 'main', buyerId: 'eve', why: 'asked to' });
    await sql`select from seal_audit(10000)`;
    const exported = startScript('ops/audit.ts', { DATABASE_URL: url }, { args: ['export'] });
    expect(await exported.ended).toBe(0);
    // A backup from before the erasure brings them back.
    await sql`insert into buyer_key ${sql(keys)}`;
    await sql`insert into personal_data ${sql(fields)}`;
    const [file, broken] = [join(folder, 'audit.ndjson'), join(folder, 'broken.ndjson')];
    await writeFile(file, exported.printed());
    await writeFile(broken, '{}\n');
    expect(await command({}, 'erase-again', '--file', file)).toEqual({
      code: 0,
      output: 'Erased again from 1 order of 1 buyers.\n',
    });
    expect(await findPersonalData(database, readKeys(before), hers)).toBeUndefined();
    expect(await findPersonalData(database, readKeys(before), his)).toEqual(DATA);
    const [nowhere, unreadable] = await Promise.all([
      command({}, 'erase-again', '--file', '/nowhere'),
      command({}, 'erase-again', '--file', broken),
    ]);
    expect(nowhere).toMatchObject({ code: 1, output: expect.stringMatching(/^\/nowhere cannot be read/) });
    expect(unreadable).toMatchObject({
      code: 1,
      output: expect.stringContaining('line 1 is no row of the audit'),
    });
  });
});
