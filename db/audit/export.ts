/** Reads a part of the sealed audit in the order of its chain, however long it is. */
import type { LongDatabase } from '../connection.ts';
import { isInPeriod, matches, type AuditFilter, type AuditPeriod } from './filter.ts';
import { columnsOfSealedRow, type SealedRow } from './sealed-row.ts';

const PAGE_ROWS = 2_000;
/** A page of few rows among very many has to read all of them. */
const PAGE_MS = 600_000;

/**
 * The rows that match, in pages. Without a filter they are a part of the chain without gaps: rows are sealed in another order than they
 * are recorded in, so those between the first and the last of the period are among them.
 */
export async function* readMatching(
  database: LongDatabase,
  filter: AuditFilter,
  period: AuditPeriod,
): AsyncGenerator<SealedRow[]> {
  const isPart = Object.values(filter).every((value) => value === undefined);
  const range = await readRange(database, period);
  for (let after = range.first - 1; after < range.last;) {
    const page: SealedRow[] = await database.runLong(
      PAGE_MS,
      (sql) => sql<SealedRow[]>`
        select ${columnsOfSealedRow(sql)}
        from audit
        where seq > ${after} and seq <= ${range.last} ${matches(sql, filter)} ${isPart ? sql`` : isInPeriod(sql, period)}
        order by seq
        limit ${PAGE_ROWS}
      `,
    );
    if (page.length > 0) yield page;
    after = page.length < PAGE_ROWS ? range.last : (page.at(-1)?.seq ?? range.last);
  }
}

/** The numbers of the first and the last row of a period. */
async function readRange(
  database: LongDatabase,
  period: AuditPeriod,
): Promise<{ first: number; last: number }> {
  const [range] = await database.runLong(
    PAGE_MS,
    (sql) => sql<{ first: number | null; last: number | null }[]>`
      select min(seq) as first, max(seq) as last from audit where true ${isInPeriod(sql, period)}
    `,
  );
  return { first: range?.first ?? 1, last: range?.last ?? 0 };
}
