/** Migrating a database of an earlier release keeps what is in it. */
import { randomUUID } from 'node:crypto';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, inject, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { openPostgres } from '../../db/postgres.ts';
import { openDatabase } from '../../db/connection.ts';
import { MIGRATIONS, migrateDatabase } from '../../db/migrate.ts';
import { MAIN_SHOP } from '../../domain/shops.ts';
import { countPending } from '../../db/stats/count.ts';
import { readStats } from '../../db/stats/read.ts';

const folder = await mkdtemp(join(tmpdir(), 'holdfast-migrations-'));
const admin = openPostgres(inject('databaseUrl'), { connections: 1 });
afterAll(async () => {
  await admin.end();
  await rm(folder, { recursive: true });
});

async function emptyDatabase() {
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  await admin`create database ${admin(name)}`;
  const url = Object.assign(new URL(inject('databaseUrl')), { pathname: `/${name}` }).href;
  const sql = openPostgres(url, { connections: 1 });
  onTestFinished(async () => {
    await sql.end({ timeout: 1 });
    await admin`drop database ${admin(name)} with (force)`;
  });
  return { url, sql };
}

const journalSchema = z.looseObject({ entries: z.array(z.looseObject({ idx: z.number() })) });

/** Brings the database up with the first migrations alone. */
async function migrateUpTo(url: string, last: number): Promise<void> {
  await cp(MIGRATIONS, folder, { recursive: true });
  const file = join(folder, 'meta/_journal.json');
  const journal = journalSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  const entries = journal.entries.filter(({ idx }) => idx <= last);
  await writeFile(file, JSON.stringify({ ...journal, entries }));
  await migrateDatabase(url, folder);
}

test('payments of 0.1 get the key of the command that made them, and nothing else of them changes', async () => {
  const { url, sql } = await emptyDatabase();
  await migrateUpTo(url, 1);
  const [order, command] = [randomUUID(), randomUUID()];
  await sql.begin(async (transaction) => {
    // Only the rows that matter, without what they refer to.
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

test('events recorded before the figures existed are counted in the figures', async () => {
  const { url, sql } = await emptyDatabase();
  await migrateUpTo(url, 3);
  const [order, wallet, payment] = [randomUUID(), randomUUID(), randomUUID()];
  await sql.begin(async (transaction) => {
    await transaction`set local session_replication_role = replica`;
    await transaction`
      insert into orders (
        id, buyer_id, wallet_id, payment_mode, stage, currency, total, payment_deadline, created_at, updated_at, version
      )
      values (${order}, 'buyer', ${wallet}, 'debit', 'paid', 'EUR', 1000, now(), now(), now(), 2)
    `;
    await transaction`insert into order_line (order_id, sku, quantity, unit_price) values (${order}, 'MUG', 2, 500)`;
    await transaction`
      insert into order_event (order_id, version, from_stage, stage, at)
      values
        (${order}, 1, null, 'awaiting_payment', '2026-03-31 23:59:59.999Z'),
        (${order}, 2, 'awaiting_payment', 'paid', '2026-04-01 00:00:00Z')
    `;
    await transaction`insert into transfer (id, kind, order_id) values (${payment}, 'debit', ${order})`;
    await transaction`
      insert into entry (transfer_id, account, wallet_id, amount, currency, posted_after, held_after)
      values (${payment}, 'wallet', ${wallet}, -1000, 'EUR', 0, 0), (${payment}, 'sales', null, 1000, 'EUR', null, null)
    `;
  });

  await migrateDatabase(url);
  const database = openDatabase(url, { connections: 1, name: 'test' });
  try {
    await countPending(database, 10_000);
    const range = { shop: MAIN_SHOP, from: '2026-03-01', to: '2026-04-30' };
    for (const sku of [undefined, 'MUG'])
      expect((await readStats(database, { ...range, sku })).days).toMatchObject([
        { day: '2026-03-31', figures: { placed: 1n, paid: 0n, revenue: 0n } },
        { day: '2026-04-01', figures: { placed: 0n, paid: 1n, revenue: 1_000n, units_sold: 2n } },
      ]);
  } finally {
    await database.close();
  }
});

test('figures, prices and totals of an earlier release keep their last digit, and figures grow from there', async () => {
  const { url, sql } = await emptyDatabase();
  await migrateUpTo(url, 6);
  await sql`insert into sku (sku, name, price, currency, on_hand) values ('MUG', 'Mug', 1000000000, 'HRK', 1)`;
  await sql`insert into stat values ('', '2026-01-01', 'EUR', 1, 0, 1, 0, 0, 0, 9223372036854775807, 9007199254740993, 2, 0)`;
  await migrateDatabase(url);
  await sql`update stat set revenue = revenue + 1`;
  await expect(sql`update sku set price = 9007199254740992`).rejects.toThrow('sku_price_payable');
  const database = openDatabase(url, { connections: 1, name: 'test' });
  try {
    const range = { shop: MAIN_SHOP, from: '2026-01-01', to: '2026-01-01', sku: undefined };
    expect((await readStats(database, range)).days).toMatchObject([
      { figures: { revenue: 9_223_372_036_854_775_808n, refunds: 9_007_199_254_740_993n, units_sold: 2n } },
    ]);
  } finally {
    await database.close();
  }
});
