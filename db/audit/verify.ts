/** Verifies the audit of a database: its chain, its end, and that what it is about is in it. */
import type { AuditHead } from '../../domain/audit.ts';
import type { Database } from '../connection.ts';
import { ChainCheck, type ChainReport, type KeptHead } from './chain-check.ts';
import { readChain, readDrops, readEnds, readUnsealed, type Unsealed } from './chain-pages.ts';
import { compareSources } from './sources.ts';

export interface AuditReport extends ChainReport {
  /** What the database says is the last row; null when nothing says it. */
  head: AuditHead | null;
  unsealed: Unsealed;
  /** Rows of other tables that were looked for in the audit. */
  compared: number;
}

/**
 * Verifies everything that is sealed when it begins.
 * @param heads that others keep.
 * @param sources whether to look for what the audit is about.
 */
export async function verifyAudit(
  database: Database,
  { heads, sources }: { heads: readonly KeptHead[]; sources: boolean },
): Promise<AuditReport> {
  const { head } = await readEnds(database);
  const check = new ChainCheck({ extent: 'chain', heads });
  for await (const page of readChain(database, head?.seq)) for (const row of page) check.take(row);
  check.takeDropped(await readDrops(database));
  let compared = 0;
  if (sources)
    for await (const some of compareSources(database)) {
      compared += some.rows;
      for (const flaw of some.flaws) check.report(flaw);
    }
  const ends = await readEnds(database);
  if (head === null || ends.head === null)
    check.report('The table audit_head is empty: nothing in the database says where the chain ends.');
  else if (ends.last !== null && ends.last > ends.head.seq)
    check.report(
      `Row ${ends.last} was inserted behind the end: the database itself names row ${ends.head.seq} as the last.`,
    );
  return { ...check.end(head ?? undefined), head, unsealed: await readUnsealed(database), compared };
}
