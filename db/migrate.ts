/** Brings a database to the newest schema: a step of every start, and `npm run migrate`. */
import { fileURLToPath } from 'node:url';
import { migrate } from 'drizzle-orm/postgres-js/migrator';
import { openPostgres, ormOn } from './postgres.ts';

export const MIGRATIONS = fileURLToPath(new URL('./migrations', import.meta.url));

/** 'hold' in ASCII: the advisory lock that lets one of several starting processes migrate while the others wait. */
const MIGRATION_LOCK = 0x686f6c64;

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
