/** Opens the database for a command. */
import { openDatabase, type DatabasePool } from '../db/connection.ts';
import { UnpreparedDatabaseError } from '../db/errors.ts';
import { requirePrepared } from '../db/prepared.ts';
import { commandActor } from '../domain/audit.ts';
import { UserError } from '../cli/user-error.ts';

/**
 * Works on the database, which is closed afterwards.
 * @param command its name, such as `keys`: shown in pg_stat_activity, and in the audit of what it changes.
 * @throws {UserError} when the database was not migrated, or its user may not run Holdfast.
 */
export async function withDatabase<T>(
  { DATABASE_URL }: { DATABASE_URL: string },
  command: string,
  work: (database: DatabasePool) => Promise<T>,
  connections = 1,
): Promise<T> {
  const database = openDatabase(DATABASE_URL, {
    connections,
    name: `holdfast ${command}`,
    actor: commandActor(command),
  });
  try {
    await requirePrepared(database);
    return await work(database);
  } catch (error) {
    throw error instanceof UnpreparedDatabaseError ? new UserError(error.message, { cause: error }) : error;
  } finally {
    await database.close();
  }
}
