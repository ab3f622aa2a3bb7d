/** Makes the months ahead of the tables that are kept in months, and drops those that are old enough. See migrations/0012_partitions.sql. */
import { setTimeout as delay } from 'node:timers/promises';
import type { LongDatabase } from './connection.ts';
import { gaveUp } from './errors.ts';

/** After a run that makes months, rows of so many months to come have theirs. */
export const MONTHS_AHEAD = 3;

/** `busy`: others used the table all the time. It is left to the next run. */
export type Made = { state: 'done'; months: MadeMonth[] } | { state: 'busy' };

export interface MadeMonth {
  partition: string;
  /** Rows that were there before their month. */
  moved: number;
}

export type Dropped =
  /** `month` is null when no other month may go; `staying` says which are old enough and still needed, and for what. */
  { state: 'done'; month: DroppedMonth | null; staying: string[] } | { state: 'busy' };

export interface DroppedMonth {
  partition: string;
  rows: number;
}

/** Moving a million rows takes some seconds. */
const MAKING_TAKES_MS = 60_000;
/** Adding up what a million events add to the figures takes some 20 s, and nobody waits for it but their orders. */
const DROPPING_TAKES_MS = 600_000;
/** Writers wait during an attempt, so there are few and they are apart. */
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
export async function makeMonths(
  database: LongDatabase,
  { table, at, ahead = MONTHS_AHEAD }: { table: string; at: string; ahead?: number },
): Promise<Made> {
  const made = await whenFree(() =>
    database.runLong(
      MAKING_TAKES_MS,
      (sql) =>
        sql<MadeMonth[]>`select made as partition, moved from make_months_of(${table}, ${at}, ${ahead})`,
    ),
  );
  return made === 'busy' ? { state: 'busy' } : { state: 'done', months: [...made] };
}

/** Drops the oldest month of a table that ended before this time, if the table's floor allows it and nobody needs its rows. */
export async function dropOldestMonth(
  database: LongDatabase,
  { table, before }: { table: string; before: string },
): Promise<Dropped> {
  const looked = await whenFree(() =>
    database.runLong(
      DROPPING_TAKES_MS,
      (sql) => sql<{ partition: string | null; rows: number | null; staying: string | null }[]>`
        select dropped as partition, rows, kept as staying from drop_month_partitions(${table}, ${before}, 1)
      `,
    ),
  );
  if (looked === 'busy') return { state: 'busy' };
  const [month = null] = looked.flatMap(({ partition, rows }) =>
    partition === null || rows === null ? [] : [{ partition, rows }],
  );
  return { state: 'done', month, staying: looked.flatMap(({ staying }) => staying ?? []) };
}

async function whenFree<T>(work: () => Promise<T>): Promise<T | 'busy'> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (!gaveUp(error)) throw error;
      if (attempt === ATTEMPTS) return 'busy';
      await delay(PAUSE_MS);
    }
  }
}
