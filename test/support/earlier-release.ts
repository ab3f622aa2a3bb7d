/** Databases with the schema of an earlier release, to be migrated by a test. */
import { randomUUID } from 'node:crypto';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inject, onTestFinished } from 'vitest';
import { z } from 'zod';
import { MIGRATIONS, migrateDatabase } from '../../db/migrate.ts';
import { openPostgres, type Sql } from '../../db/postgres.ts';

const journalSchema = z.looseObject({ entries: z.array(z.looseObject({ idx: z.number() })) });

/** Dropped when the test ends. */
export async function emptyDatabase(): Promise<{ url: string; sql: Sql }> {
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  const admin = openPostgres(inject('databaseUrl'), { connections: 1 });
  await admin`create database ${admin(name)}`;
  const url = Object.assign(new URL(inject('databaseUrl')), { pathname: `/${name}` }).href;
  const sql = openPostgres(url, { connections: 1 });
  onTestFinished(async () => {
    await sql.end({ timeout: 1 });
    await admin`drop database ${admin(name)} with (force)`;
    await admin.end();
  });
  return { url, sql };
}

/** Brings the database up with the first migrations alone. */
export async function migrateUpTo(url: string, last: number): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-migrations-'));
  try {
    await cp(MIGRATIONS, folder, { recursive: true });
    const file = join(folder, 'meta/_journal.json');
    const journal = journalSchema.parse(JSON.parse(await readFile(file, 'utf8')));
    const entries = journal.entries.filter(({ idx }) => idx <= last);
    await writeFile(file, JSON.stringify({ ...journal, entries }));
    await migrateDatabase(url, folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}
