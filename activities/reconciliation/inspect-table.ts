/** Inspects tables in pages that PostgreSQL answers in time, and goes on after a row that it cannot inspect. */
import type { Database, LongDatabase } from '../../db/connection.ts';
import { isConnectionLost, isDatabaseUnavailable } from '../../db/errors.ts';
import { failedInspection, type Finding } from '../../db/findings.ts';
import { inspect, nextSubject, toDetected, type Detected, type TableKind } from '../../db/rules/detectors.ts';
import type { Inspected, Page } from '../../db/rules/detector.ts';
import { PAGE_ROWS } from '../../db/rules/rules.ts';
import { messageOf } from '../../process/redaction.ts';
import { detectorFailure, tooManyFailures } from '../errors.ts';
import { signOfLife, whileAlive } from '../sign-of-life.ts';

/** How long one row may take alone: a ledger of some ten million entries is summed in that time. */
export const LONG_ROW_MS = 60_000;
/** When more rows than this fail, a single row is not the cause. */
const FAILURES_AT_MOST = 20;

/** How many rows a statement inspects: fewer after a statement that took too long, then more again. */
export interface Pace {
  rows: number;
}
export const newPace = (): Pace => ({ rows: PAGE_ROWS });

export interface InspectedPage {
  rows: readonly Inspected[];
  /** Where the next page begins; null after the last row. */
  next: string | null;
  /** Rows that could not be inspected. */
  failed: Finding[];
}

type FromHere = Omit<Page, 'limit'>;

/** A page of as many rows as PostgreSQL inspects within a statement's time: for one SKU it sums all that was ever sold of it. */
export async function inspectPage(
  database: LongDatabase,
  kind: TableKind,
  page: FromHere,
  pace: Pace,
): Promise<InspectedPage> {
  for (;;) {
    const limit = pace.rows;
    try {
      const rows = await database.run(({ sql }) => inspect(sql, kind, { ...page, limit }));
      pace.rows = Math.min(PAGE_ROWS, 2 * limit);
      return { rows, next: rows.length < limit ? null : (rows.at(-1)?.subject ?? null), failed: [] };
    } catch (error) {
      if (isConnectionLost(error)) throw error;
      if (limit === 1) return inspectLongRow(database, kind, page);
      pace.rows = Math.ceil(limit / 8);
      signOfLife();
    }
  }
}

/** Inspects one row for longer than a statement may take. If that fails too, the run goes on after the row. */
async function inspectLongRow(
  database: LongDatabase,
  kind: TableKind,
  page: FromHere,
): Promise<InspectedPage> {
  try {
    const work = database.runLong(LONG_ROW_MS, (sql) => inspect(sql, kind, { ...page, limit: 1 }));
    const rows = await whileAlive(work);
    return { rows, next: rows.at(-1)?.subject ?? null, failed: [] };
  } catch (error) {
    signOfLife();
    if (isConnectionLost(error)) throw error;
    const subject = await findSubjectAfter(database, kind, page.after);
    if (subject === null) return { rows: [], next: null, failed: [] };
    const why = `could not be inspected: ${messageOf(error)}`;
    return { rows: [], next: subject, failed: [failedInspection(kind, subject, why)] };
  }
}

/** @throws when the whole table cannot be inspected, not only one row. */
async function findSubjectAfter(
  database: Database,
  kind: TableKind,
  after: string | null,
): Promise<string | null> {
  try {
    return await database.run(({ sql }) => nextSubject(sql, kind, after));
  } catch (error) {
    // A table that is locked, or a PostgreSQL that does not answer, may be back at the next attempt.
    if (isDatabaseUnavailable(error)) throw error;
    throw detectorFailure(`not even the next row could be found: ${messageOf(error)}`, {
      again: 'would fail',
    });
  }
}

/** @throws when more than {@link FAILURES_AT_MOST} rows failed: then their table is the cause. */
export function refuseTooMany(count: number, failed: readonly Finding[]): void {
  if (count > FAILURES_AT_MOST)
    throw tooManyFailures(count, failed.at(-1)?.finding ?? '', { again: 'would fail' });
}

/** Everything that is wrong in the rows of a kind, and the rows that could not be inspected. */
export async function detectInTable(
  database: LongDatabase,
  kind: TableKind,
  now: string,
): Promise<Detected[]> {
  const pace = newPace();
  const detected: Detected[] = [];
  let failures = 0;
  for (let after: string | null = null; ;) {
    const page: InspectedPage = await inspectPage(database, kind, { after, now }, pace);
    detected.push(...toDetected(page.rows), ...page.failed);
    failures += page.failed.length;
    refuseTooMany(failures, page.failed);
    if (page.next === null) return detected;
    after = page.next;
  }
}
