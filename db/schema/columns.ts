/** What the tables' columns share. Money is an integer in minor units next to an ISO 4217 currency. */
import { sql, type SQL } from 'drizzle-orm';
import { bigint, customType, text, timestamp, type AnyPgColumn } from 'drizzle-orm/pg-core';
import { BLANKS, type CodeRule, type TextRule } from '../../domain/text.ts';

export const NIL_UUID = '00000000-0000-0000-0000-000000000000';

export const quoted = (values: readonly string[]): SQL =>
  sql.raw(values.map((value) => `'${value}'`).join(', '));
/** A number in a CHECK, which takes no parameters. */
export const literal = (value: number): SQL => sql.raw(String(value));
export const oneOf = (column: AnyPgColumn, values: readonly string[]): SQL =>
  sql`${column} in (${quoted(values)})`;

export const bytes = customType<{ data: Buffer; driverData: Buffer }>({ dataType: () => 'bytea' });
export const hasBytes = (column: AnyPgColumn, least: number, most: number): SQL =>
  sql`octet_length(${column}) between ${literal(least)} and ${literal(most)}`;

export const money = (name: string) => bigint(name, { mode: 'number' });
export const units = (name: string) => bigint(name, { mode: 'number' });
export const instant = (name: string) => timestamp(name, { withTimezone: true, precision: 3, mode: 'date' });
/**
 * Whose row it is. No foreign key of its own in the tables that every order writes: each insert would lock the shop's row, the same for
 * all. There, SKUs and wallets stand for the shop, by keys that include it.
 */
export const shopId = () => text('shop_id').notNull();
/** The database's own clock, which only says when a row was written. */
export const recordedAt = (name = 'recorded_at') => instant(name).notNull().defaultNow();

/** Whether a column matches a regular expression. */
export const matches = (column: AnyPgColumn, pattern: string): SQL => sql`${column} ~ ${quoted([pattern])}`;

export const isCode = (column: AnyPgColumn, { unbounded, max }: CodeRule): SQL =>
  sql`${matches(column, unbounded)} and char_length(${column}) <= ${literal(max)}`;

/** The rule of domain/text.ts in SQL; a test compares the two. */
export function isText(column: AnyPgColumn, { max, trimmed, lines }: TextRule): SQL {
  const length = sql`char_length(${column}) between 1 and ${sql.raw(String(max))}`;
  const control = lines
    ? String.raw`[\u0001-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]`
    : String.raw`[\u0001-\u001f\u007f-\u009f]`;
  const clean = sql`${length} and ${column} !~ ${quoted([control])}`;
  return trimmed ? sql`${clean} and btrim(${column}, ${sql.raw(BLANKS_IN_SQL)}) <> ''` : clean;
}

/** As escapes: blanks are unreadable in a migration. */
const BLANKS_IN_SQL = `E'${Array.from(BLANKS, (blank) => `\\u${blank.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')}'`;
