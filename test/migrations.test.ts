/** A database of an earlier release is brought up with what is in it. */
import { randomUUID } from 'node:crypto';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import { afterAll, expect, inject, test } from 'vitest';
import { z } from 'zod';
import { MIGRATIONS, migrateDatabase } from '../db/migrate.ts';

const folder = await mkdtemp(join(tmpdir(), 'holdfast-migrations-'));
const name = `test_${randomUUID().replaceAll('-', '')}`;
const admin = postgres(inject('databaseUrl'), { max: 1 });
await admin`create database ${admin(name)}`;
const url = Object.assign(new URL(inject('databaseUrl')), { pathname: `/${name}` }).href;
const sql = postgres(url, { max: 1, onnotice: () => {} });
afterAll(async () => {
  await sql.end({ timeout: 1 });
  await admin`drop database ${admin(name)} with (force)`;
  await admin.end();
  await rm(folder, { recursive: true });
});

const journalSchema = z.looseObject({ entries: z.array(z.looseObject({ idx: z.number() })) });

/** Brings the database up with the first migrations alone. */
async function migrateUpTo(last: number): Promise<void> {
  await cp(MIGRATIONS, folder, { recursive: true });
  const file = join(folder, 'meta/_journal.json');
  const journal = journalSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  const entries = journal.entries.filter(({ idx }) => idx <= last);
  await writeFile(file, JSON.stringify({ ...journal, entries }));
  await migrateDatabase(url, folder);
}

test('payments of 0.1 get the key of the command that made them, and stay as they are', async () => {
  await migrateUpTo(1);
  const [order, command] = [randomUUID(), randomUUID()];
  await sql.begin(async (transaction) => {
    // The rows that matter alone, without what they refer to.
    await transaction`set local session_replication_role = replica`;
    await transaction`
      insert into order_step (order_id, step, attempt, stage, reason)
      values
        (${order}, 'reserve', 1, 'awaiting_payment', null),
        (${order}, 'pay', 1, 'awaiting_payment', 'insufficient_funds'),
        (${order}, 'pay', 2, 'paid', null)
    `;
    await transaction`
      insert into order_event (order_id, version, from_stage, stage, command_id, at)
      values (${order}, 2, 'awaiting_payment', 'paid', ${command}, now())
    `;
  });

  await migrateDatabase(url);
  const steps = await sql<{ step: string; reason: string | null; command: string }[]>`
    select step, reason, command_id as command from order_step order by step, reason
  `;
  expect([...steps]).toEqual([
    { step: 'pay', reason: 'insufficient_funds', command: expect.not.stringContaining(command) },
    { step: 'pay', reason: null, command },
    { step: 'reserve', reason: null, command: '00000000-0000-0000-0000-000000000000' },
  ]);
  await expect(sql`update order_step set stage = 'expired'`).rejects.toThrow('never changed');
});
