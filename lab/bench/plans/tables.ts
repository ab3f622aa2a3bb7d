/** How large the tables are that plans name, and which of them are parts of one. */
import type { Queryable } from '../../../db/postgres.ts';

export interface TableFact {
  name: string;
  rows: number;
  /** The table that it is a partition of. */
  partOf: string | null;
}

export type Tables = ReadonlyMap<string, TableFact>;

/** As ANALYZE counted them. */
export async function readTables(sql: Queryable): Promise<Tables> {
  const tables = await sql<TableFact[]>`
    select relname as name, greatest(reltuples, 0)::float8 as rows, inhparent::regclass::text as "partOf"
    from pg_class left join pg_inherits on inhrelid = pg_class.oid
    where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
  `;
  return new Map(tables.map((table) => [table.name, table]));
}
