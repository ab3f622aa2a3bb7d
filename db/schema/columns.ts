/** What the tables' columns have in common. Money is whole minor units beside an ISO 4217 currency. */
import { sql, type SQL } from 'drizzle-orm';
import { bigint, timestamp, type AnyPgColumn } from 'drizzle-orm/pg-core';

export const NIL_UUID = '00000000-0000-0000-0000-000000000000';

export const quoted = (values: readonly string[]): SQL =>
  sql.raw(values.map((value) => `'${value}'`).join(', '));
/** A number in a CHECK, which takes no parameters. */
export const literal = (value: number): SQL => sql.raw(String(value));
export const oneOf = (column: AnyPgColumn, values: readonly string[]): SQL =>
  sql`${column} in (${quoted(values)})`;

export const money = (name: string) => bigint(name, { mode: 'number' });
export const units = (name: string) => bigint(name, { mode: 'number' });
export const instant = (name: string) => timestamp(name, { withTimezone: true, precision: 3, mode: 'date' });
/** The database's own time, which only tells when a row was written. */
export const recordedAt = () => instant('recorded_at').notNull().defaultNow();
