/** Identifies this database among all others. */
import type { Database } from './connection.ts';

/**
 * The server's system identifier and the database's number there. A copy restored elsewhere has another identity; a standby that
 * takes over has the same.
 */
export async function identityOf(database: Database): Promise<string> {
  const [row] = await database.run(
    ({ sql }) => sql<{ identity: string }[]>`
      select format('%s/%s', system_identifier, oid) as identity
      from pg_control_system() cross join pg_database
      where datname = current_database()
    `,
  );
  if (!row) throw new Error('PostgreSQL does not list the database of this connection.');
  return row.identity;
}
