import type { Database } from './connection.ts';

/**
 * Names this database among all others: its server's system identifier and its own number there. A copy that was restored
 * elsewhere is another one; a standby that takes over is the same.
 */
export async function identityOf(database: Database): Promise<string> {
  const [row] = await database.run(
    ({ sql }) => sql<{ identity: string }[]>`
      select format('%s/%s', system_identifier, oid) as identity
      from pg_control_system() cross join pg_database
      where datname = current_database()
    `,
  );
  if (!row) throw new Error('PostgreSQL does not list the database that it is asked in.');
  return row.identity;
}
