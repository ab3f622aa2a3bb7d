/** Finds out whether a database was made ready for the processes of this release, before they fail at every statement. */
import { setTimeout as delay } from 'node:timers/promises';
import { RUNNING_ROLE, type Database } from './connection.ts';
import { isDatabaseUnavailable, isOutOfReach, UnpreparedDatabaseError } from './errors.ts';
import { newestMigration } from './migrate.ts';
import { REACH_ROLES } from './reach.ts';

const RETRY_MS = 2_000;

/** @throws {UnpreparedDatabaseError} when the database lacks migrations, or its user the roles. Otherwise as a query does. */
export async function requirePrepared(database: Database): Promise<void> {
  const { appliedUntil, missing } = await ask(database);
  if (appliedUntil < newestMigration()) throw notMigrated('it lacks migrations of this release');
  if (missing.length > 0)
    throw new UnpreparedDatabaseError(
      `The user of DATABASE_URL may not run Holdfast (it may not take the role ${missing.join(', ')}): grant it the roles, as docs/operations.md says in "Roles of the database".`,
    );
}

/**
 * Resolves once PostgreSQL has said that the database is prepared, or the signal is aborted. Processes do not wait for their servers, so
 * it asks until there is an answer.
 * @throws as {@link requirePrepared} does, but for a database that is unavailable.
 */
export async function untilPrepared(database: Database, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      return await requirePrepared(database);
    } catch (error) {
      if (!isDatabaseUnavailable(error)) throw error;
      await delay(RETRY_MS, undefined, { signal, ref: false }).catch(() => {});
    }
  }
}

interface Prepared {
  /** When the newest migration that is applied was written. */
  appliedUntil: number;
  /** Roles that the user of the session may not take. */
  missing: string[];
}

async function ask(database: Database): Promise<Prepared> {
  const roles = JSON.stringify([RUNNING_ROLE, ...REACH_ROLES]);
  try {
    const [prepared] = await database.run(
      ({ sql }) => sql<Prepared[]>`
        -- Which migrations are applied, and which roles may this login not take? The roles are looked up by their names: one that is
        -- missing is none that it may take.
        select
          (select coalesce(max(created_at), 0) from drizzle.__drizzle_migrations) as "appliedUntil",
          (
            select coalesce(json_agg(name), '[]')
            from jsonb_array_elements_text(${roles}::jsonb) as name
            where not exists (select from pg_roles where rolname = name and pg_has_role(session_user, oid, 'SET'))
          ) as missing
      `,
    );
    return prepared ?? { appliedUntil: 0, missing: [] };
  } catch (error) {
    if (isOutOfReach(error)) throw notMigrated('it is empty, or of an earlier release', error);
    throw error;
  }
}

const notMigrated = (why: string, cause?: unknown): UnpreparedDatabaseError =>
  new UnpreparedDatabaseError(
    `The database of DATABASE_URL was not migrated (${why}): run \`npm run migrate\` first.`,
    { cause },
  );
