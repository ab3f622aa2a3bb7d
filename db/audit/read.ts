/** Lists the sealed audit for callers, newest first. What waits to be sealed is not in it yet. */
import type { AuditHead } from '../../domain/audit.ts';
import type { Database } from '../connection.ts';
import { parseExactly } from '../exact-integers.ts';
import { isInPeriod, matches, type AuditFilter, type AuditPeriod } from './filter.ts';
import { columnsOfSealedRow, type SealedRow } from './sealed-row.ts';

/** A row with what changed as values instead of texts. */
export type AuditEntry = Omit<SealedRow, 'before' | 'after'> & { before: unknown; after: unknown };

/** @param before the number of a row: the list goes on behind it. */
export async function listAudit(
  database: Database,
  { from, to, ...filter }: AuditFilter & AuditPeriod,
  { before, limit }: { before: AuditHead['seq'] | undefined; limit: number },
): Promise<AuditEntry[]> {
  const rows = await database.run(
    ({ sql }) => sql<SealedRow[]>`
      select ${columnsOfSealedRow(sql)}
      from audit
      where true ${before === undefined ? sql`` : sql`and seq < ${before}`} ${matches(sql, filter)} ${isInPeriod(sql, { from, to })}
      order by seq desc
      limit ${limit}
    `,
  );
  return rows.map((row) => ({ ...row, before: parse(row.before), after: parse(row.after) }));
}

const parse = (json: string | null): unknown => (json === null ? null : parseExactly(json));
