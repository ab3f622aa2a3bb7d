/** The activities that seal the audit. */
import { readHash } from '../db/audit/chain-pages.ts';
import { sealRows } from '../db/audit/seal.ts';
import type { LongDatabase } from '../db/connection.ts';
import { closeUnseen, keepFindings } from '../db/findings.ts';
import { describeHead } from '../domain/audit-head.ts';
import type { AuditHead } from '../domain/audit.ts';
import { toActivityFailure } from './errors.ts';

export interface SealedSome {
  sealed: number;
  /** Whether nothing was left to seal. */
  isDone: boolean;
  head: AuditHead;
}

export interface SealActivities {
  /**
   * Compares the chain with a head that was recorded earlier, and keeps as a finding that it no longer has that head. Returns the head
   * that it misses; null when it has it.
   * @param expected null when the run was not given the result of the one before it: Temporal is asked then.
   */
  compareHead: (run: { expected: AuditHead | null; at: string }) => Promise<AuditHead | null>;
  /** Seals for some seconds. May run any number of times, and concurrently with another run. */
  sealSome: () => Promise<SealedSome>;
}

/** Well within the activity's time-out. */
const SEAL_FOR_MS = 10_000;

/** @param findLastHead asks Temporal for the head that the last run of this deployment left, or missed. */
export function createSealActivities(
  database: LongDatabase,
  findLastHead: () => Promise<AuditHead | null>,
): SealActivities {
  async function compare(expected: AuditHead | null, at: string): Promise<AuditHead | null> {
    const flaw = expected && (await findFlaw(database, expected));
    if (expected && flaw !== null)
      await keepFindings(
        database,
        'audit_broken',
        [{ subject: String(expected.seq), orderId: null, finding: flaw }],
        at,
      );
    await closeUnseen(database, at, ['audit_broken']);
    return flaw === null ? null : expected;
  }

  return {
    async compareHead({ expected, at }) {
      const end = expected ?? (await findLastHead());
      return toActivityFailure('the check of the audit', compare(end, at));
    },
    sealSome: () => toActivityFailure('the sealing of the audit', sealRows(database, SEAL_FOR_MS)),
  };
}

/** What is wrong with the chain at a head that was recorded, as a sentence; null when it has that head. */
async function findFlaw(database: LongDatabase, expected: AuditHead): Promise<string | null> {
  if (expected.seq === 0) return null;
  const hash = await readHash(database, expected.seq);
  if (hash === expected.hash) return null;
  const then = `When the audit was last sealed, it had the head ${describeHead(expected)}`;
  return hash === undefined
    ? `${then}, and now it has no row ${expected.seq}: rows were removed. npm run audit -- verify tells which.`
    : `${then}, and now row ${expected.seq} has the hash ${hash}: the chain was rewritten at that row or before it.`;
}
