/**
 * Empties a test's database, so that checking the rules costs the same at the end of a long run as at its beginning. In this
 * one transaction, the triggers that keep history from being changed are off.
 */
import type { Sql } from '../../db/postgres.ts';

export async function emptyDatabase(sql: Sql): Promise<void> {
  await sql.begin(async (owner) => {
    await owner`set local session_replication_role = replica`;
    await owner`truncate sku, wallet, orders, idempotency_key, stat, stat_pending cascade`;
  });
}
