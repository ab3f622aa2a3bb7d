/** Writes select lists from the schema, for statements in SQL: their rows have the columns that Drizzle's types say. */
import { getTableName } from 'drizzle-orm';
import type { PgColumn } from 'drizzle-orm/pg-core';

/** These columns, each under its name in the code. */
export const selectList = (columns: Readonly<Record<string, PgColumn>>): string =>
  Object.entries(columns)
    .map(([name, column]) => `${getTableName(column.table)}.${column.name} as "${name}"`)
    .join(', ');
