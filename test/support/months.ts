/** Months before and after the one in which a test runs, and the partitions of them. */
import type { Sql } from '../../db/postgres.ts';

/** An instant in a month, in its middle unless another day is given: so many months from now. */
export function inMonths(count: number, day = 15): Date {
  const now = new Date();
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + count, day, 12));
}

/** `2026_12` for the end of a partition's name. */
export const nameOf = (month: Date): string => month.toISOString().slice(0, 7).replace('-', '_');

/** Leaves a table with its default partition alone, as if no run had made a month for as long as it takes; the rows go, too. */
export async function dropEveryMonth(sql: Sql, table: string): Promise<void> {
  const months = await sql<{ name: string }[]>`
    select partition::text as name from month_partition where table_name = ${table} and not is_default
  `;
  for (const { name } of months) await sql`drop table ${sql(name)}`;
}

/** How many rows each partition of a table has, without the empty ones and by the end of its name. */
export async function rowsByMonth(sql: Sql, table: string): Promise<Record<string, number>> {
  const rows = await sql<{ name: string; count: number }[]>`
    select replace(tableoid::regclass::text, ${`${table}_`}, '') as name, count(*)::integer as count
    from ${sql(table)} group by tableoid order by 1
  `;
  return Object.fromEntries(rows.map(({ name, count }) => [name, count]));
}
