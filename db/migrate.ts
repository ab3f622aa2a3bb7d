/** Brings a database to the newest schema: a step of every start, and `npm run migrate`. */
import { fileURLToPath } from 'node:url';
import { readMigrationFiles } from 'drizzle-orm/migrator';
import { migrate } from 'drizzle-orm/postgres-js/migrator';
import { openPostgres, ormOn } from './postgres.ts';

export const MIGRATIONS = fileURLToPath(new URL('./migrations', import.meta.url));

/** 'hold' in ASCII: the advisory lock that lets one of several starting processes migrate while the others wait. */
const MIGRATION_LOCK = 0x686f6c64;

/** When the newest migration of this release was written, in milliseconds: so PostgreSQL keeps which are applied. */
export const newestMigration = (): number =>
  readMigrationFiles({ migrationsFolder: MIGRATIONS }).at(-1)?.folderMillis ?? 0;

/** Safe to call from several processes at once, and again: applied migrations are skipped. */
export async function migrateDatabase(url: string, migrationsFolder = MIGRATIONS): Promise<void> {
  const sql = openPostgres(url, { connections: 1, connectTimeoutS: 5 });
  try {
    await sql`select pg_advisory_lock(${MIGRATION_LOCK})`;
    await migrate(ormOn(sql), { migrationsFolder });
  } finally {
    await sql.end({ timeout: 5 });
  }
}
