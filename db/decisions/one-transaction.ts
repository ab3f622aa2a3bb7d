/** Runs code that asks a database query by query, such as a step, as a part of one transaction. */
import type { Deed } from '../../domain/audit.ts';
import type { Database } from '../connection.ts';
import type { Queryable } from '../postgres.ts';
import { pendingOnceLost } from '../postgres-js-issue-1208.ts';
import { clientOf } from '../reach.ts';

/** What `work` asks of `within` is committed with the rest, or not at all. The audit names `by` for all that changes. */
export function inOneTransaction<T>(
  database: Database,
  by: Deed | undefined,
  work: (within: Database, sql: Queryable) => Promise<T>,
): Promise<T> {
  return database.run(({ orm }) =>
    orm.transaction(async (transaction) => {
      const sql = clientOf(transaction);
      if (by !== undefined)
        await sql`
          select
            set_config('holdfast.actor', ${by.actor}, true), set_config('holdfast.request_id', ${by.requestId}, true)
        `;
      const within: Database = {
        run: async (query) => await query({ sql, orm: transaction }),
        transaction: (inner) => inner(sql),
      };
      return pendingOnceLost(work(within, sql));
    }),
  );
}
