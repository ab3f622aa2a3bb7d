/** Reconciles a page of a table: keeps what its detector finds, and repairs what may be repaired. */
import type { LongDatabase } from '../../db/connection.ts';
import { isConnectionLost } from '../../db/errors.ts';
import { failedInspection, keepFindings, type Finding, type OpenFinding } from '../../db/findings.ts';
import { isRepaired, repairFinding, sumsLedger } from '../../db/repairs/repairs.ts';
import { toDetected, type TableKind } from '../../db/rules/detectors.ts';
import { messageOf } from '../../process/redaction.ts';
import { signOfLife, whileAlive } from '../sign-of-life.ts';
import { LONG_ROW_MS, inspectPage, type Pace } from './inspect-table.ts';
import type { PageRequest, ReconciledPage } from './page.ts';

export async function reconcileTable(
  database: LongDatabase,
  kind: TableKind,
  { after, startedAt, repairCounters }: PageRequest,
  pace: Pace,
): Promise<ReconciledPage> {
  const { rows, next, failed } = await inspectPage(database, kind, { after, now: startedAt }, pace);
  const found = await keepFindings(database, kind, toDetected(rows), startedAt);
  let repaired = 0;
  if (isRepaired(kind, repairCounters))
    for (const finding of found) {
      const outcome = await repairWithinTime(database, kind, finding, startedAt);
      if (typeof outcome !== 'boolean') failed.push(outcome);
      else if (outcome) repaired += 1;
    }
  return { looked: rows.length, found: found.length, repaired, next, failed };
}

/** Returns whether anything was changed, or why not. */
async function repairWithinTime(
  database: LongDatabase,
  kind: TableKind,
  finding: OpenFinding,
  startedAt: string,
): Promise<boolean | Finding> {
  try {
    signOfLife();
    const longMs = sumsLedger(kind) ? LONG_ROW_MS : undefined;
    return await whileAlive(repairFinding(database, kind, finding, startedAt, longMs));
  } catch (error) {
    signOfLife();
    if (isConnectionLost(error)) throw error;
    return failedInspection(
      kind,
      finding.subject,
      `was found wrong and could not be repaired: ${messageOf(error)}`,
    );
  }
}
