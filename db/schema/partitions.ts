/**
 * The tables that are kept in months, and the months that were dropped. The partitions themselves are not here: Drizzle cannot express
 * them. See migrations/0012_partitions.sql.
 */
import { bigint, boolean, check, date, interval, pgTable, text } from 'drizzle-orm/pg-core';
import { instant, oneOf } from './columns.ts';

/** How a table's key says the month of a row: a UUIDv7, the month's first day, or an instant. */
export const MONTH_KEYS = ['id', 'month', 'instant'] as const;

/** The functions that make and drop months work on these tables and on nothing else. */
export const partitionedTable = pgTable(
  'partitioned_table',
  {
    name: text().primaryKey(),
    keyColumn: text('key_column').notNull(),
    keyKind: text('key_kind', { enum: MONTH_KEYS }).notNull(),
    /** A month that ended more recently is not dropped, whatever a setting or a clock says. */
    floor: interval().notNull(),
    /** Whether its rows never change. */
    neverChanges: boolean('never_changes').notNull(),
    /** The constraints that each partition has of its own. */
    ownConstraints: text('own_constraints'),
  },
  (t) => [check('partitioned_table_key_kind', oneOf(t.keyKind, MONTH_KEYS))],
);

export const droppedPartition = pgTable('dropped_partition', {
  id: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
  tableName: text('table_name')
    .notNull()
    .references(() => partitionedTable.name),
  partition: text().notNull(),
  /** Its first month; null for the one that also had all that was before. */
  from: date({ mode: 'string' }),
  /** The first month after it. */
  to: date({ mode: 'string' }).notNull(),
  rows: bigint({ mode: 'number' }).notNull(),
  droppedAt: instant('dropped_at').notNull().defaultNow(),
});
