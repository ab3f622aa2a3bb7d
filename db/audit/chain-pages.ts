/** Reads the sealed audit in the order of its chain, page by page, however long it is. */
import type { Database } from '../connection.ts';
import type { AuditHead } from '../../domain/audit.ts';
import { readDroppedRuns, type DroppedRun } from './dropped-runs.ts';
import { columnsOfSealedRow, type SealedRow } from './sealed-row.ts';

/** Well within a statement's time-out, also on a busy database. */
const PAGE_ROWS = 2_000;

/**
 * Every row up to this number, or every row, in pages. The next page is on its way while the caller works on one. Rows are only ever added behind, so
 * pages that were read one after the other belong to one chain.
 */
export async function* readChain(
  database: Database,
  upTo: number = Number.MAX_SAFE_INTEGER,
): AsyncGenerator<SealedRow[]> {
  const readAfter = (last: SealedRow | undefined): Promise<SealedRow[]> => {
    const page = readPage(database, last, upTo);
    // A reader that stops does not wait for it.
    page.catch(() => {});
    return page;
  };
  for (let next = readAfter(undefined); ;) {
    const page = await next;
    if (page.length === 0) return;
    if (page.length < PAGE_ROWS) {
      yield page;
      return;
    }
    next = readAfter(page.at(-1));
    yield page;
  }
}

const readPage = (database: Database, last: SealedRow | undefined, upTo: number): Promise<SealedRow[]> =>
  database.run(
    ({ sql }) => sql<SealedRow[]>`
      select ${columnsOfSealedRow(sql)}
      from audit
      -- Two rows have one number only if somebody inserted one.
      where
        seq <= ${upTo}
        ${last === undefined ? sql`` : sql`and seq >= ${last.seq} and (seq, audit.recorded_at) > (${last.seq}, ${last.recordedAt})`}
      order by seq, audit.recorded_at
      limit ${PAGE_ROWS}
    `,
  );

/** The end of the chain, at one moment. */
export interface Ends {
  /** What the database says is the last row; null when nothing says it. */
  head: AuditHead | null;
  /** The number of the row that is last; null when there is none. */
  last: number | null;
}

export async function readEnds(database: Database): Promise<Ends> {
  const [ends] = await database.run(
    ({ sql }) => sql<Ends[]>`
      select
        (select json_build_object('seq', seq, 'hash', hash) from audit_head) as head,
        (select max(seq) from audit) as last
    `,
  );
  return ends ?? { head: null, last: null };
}

/** What was dropped just now: the row that says so is not sealed yet. */
export async function readDrops(database: Database): Promise<DroppedRun[]> {
  const rows = await database.run(
    ({ sql }) => sql<{ before: string | null }[]>`
      select before::text from audit_inbox where kind = 'retention'
    `,
  );
  return rows.flatMap(({ before }) => readDroppedRuns(before));
}

/** What waits to be sealed. */
export interface Unsealed {
  rows: number;
  /** Seconds since the oldest was recorded. */
  age: number;
}

export async function readUnsealed(database: Database): Promise<Unsealed> {
  const [unsealed] = await database.run(
    ({ sql }) => sql<Unsealed[]>`
      select count(*) as rows, coalesce(extract(epoch from now() - min(recorded_at)), 0)::float8 as age from audit_inbox
    `,
  );
  return unsealed ?? { rows: 0, age: 0 };
}

/** The hash of a row; undefined when there is no such row. */
export async function readHash(database: Database, seq: number): Promise<string | undefined> {
  const [row] = await database.run(
    ({ sql }) => sql<{ hash: string }[]>`select hash from audit where seq = ${seq} limit 1`,
  );
  return row?.hash;
}
