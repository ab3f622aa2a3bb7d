/** Makes the months ahead of the tables that are kept in months, and drops those that are old enough. See migrations/0012_partitions.sql. */
import { setTimeout as delay } from 'node:timers/promises';
import type { LongDatabase } from './connection.ts';
import { gaveUp } from './errors.ts';

/** After a run that makes months, rows of so many months to come have theirs. */
export const MONTHS_AHEAD = 3;

/** A month was made or dropped, or is left to the next run because others used the table all the time. */
export type Attempted<T> = { state: 'done'; months: T[] } | { state: 'busy' };

export interface MadeMonth {
  partition: string;
  /** Rows that were there before their month. */
  moved: number;
}

export interface DroppedMonth {
  partition: string;
  rows: number;
}

/** What became of a month that is old enough: it is dropped, or `kept` says which month stays, and why. */
export type OldMonth = (DroppedMonth & { kept: null }) | { kept: string };

/** Moving a million rows takes some seconds. */
const MAKING_TAKES_MS = 60_000;
/** Adding up what a million events owe to the figures takes some 20 s, and nobody waits for it but old orders. */
const DROPPING_TAKES_MS = 600_000;
/** Whoever writes waits during an attempt, so there are few and they are apart. */
const ATTEMPTS = 3;
const PAUSE_MS = 1_000;

/** Which tables are kept in months? */
export async function tablesInMonths(database: LongDatabase): Promise<string[]> {
  const found = await database.run(
    ({ sql }) =>
      sql<{ name: string }[]>`select distinct table_name as name from month_partition order by name`,
  );
  return found.map(({ name }) => name);
}

/**
 * Makes a table's months from the month of `at` on, and moves the rows that were written before their month was made. Does nothing when
 * all are there.
 */
export const makeMonths = (
  database: LongDatabase,
  { table, at, ahead = MONTHS_AHEAD }: { table: string; at: string; ahead?: number },
): Promise<Attempted<MadeMonth>> =>
  whenFree(() =>
    database.runLong(
      MAKING_TAKES_MS,
      (sql) =>
        sql<MadeMonth[]>`select made as partition, moved from make_months_of(${table}, ${at}, ${ahead})`,
    ),
  );

/**
 * Drops the oldest month of a table that ended before this time, if there is one and the table's floor allows it. Months before it that
 * somebody still needs stay.
 */
export const dropOldestMonth = (
  database: LongDatabase,
  { table, before }: { table: string; before: string },
): Promise<Attempted<OldMonth>> =>
  whenFree(() =>
    database.runLong(
      DROPPING_TAKES_MS,
      (sql) =>
        sql<
          OldMonth[]
        >`select dropped as partition, rows, kept from drop_month_partitions(${table}, ${before}, 1)`,
    ),
  );

async function whenFree<T>(work: () => Promise<T[]>): Promise<Attempted<T>> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return { state: 'done', months: [...(await work())] };
    } catch (error) {
      if (!gaveUp(error)) throw error;
      if (attempt === ATTEMPTS) return { state: 'busy' };
      await delay(PAUSE_MS);
    }
  }
}
