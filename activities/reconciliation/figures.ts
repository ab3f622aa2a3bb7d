/** Reconciles a day of the shop's figures with the events that they count. */
import type { Database } from '../../db/connection.ts';
import { isConnectionLost } from '../../db/errors.ts';
import { failedInspection, keepFindings } from '../../db/findings.ts';
import { describeDifference, setFigures } from '../../db/repairs/figures.ts';
import { compareDay, nextDay } from '../../db/stats/compare.ts';
import { countPending } from '../../db/stats/count.ts';
import { resumeCounting } from '../../db/stats/pause.ts';
import { messageOf } from '../../process/redaction.ts';
import { signOfLife } from '../sign-of-life.ts';
import type { PageRequest, ReconciledPage } from './page.ts';

/** @param countForMs how long it may count what is pending, so that it can be compared. */
export async function reconcileDay(
  database: Database,
  { kind, after, startedAt, repairCounters }: PageRequest,
  countForMs: number,
): Promise<ReconciledPage> {
  const day = await nextDay(database, after);
  if (day === null) return { looked: 0, found: 0, repaired: 0, next: null, failed: [] };
  try {
    // Only what is counted is compared, and nobody counts during the comparison.
    await countPending(database, countForMs);
    // A day may take longer than an activity may be silent.
    const comparison = await compareDay(database, day, signOfLife);
    const differences = comparison.differences.map((difference) => describeDifference(day, difference));
    const found = await keepFindings(database, kind, differences, startedAt);
    let repaired = 0;
    if (repairCounters)
      for (const finding of found)
        if (await setFigures(database, day, comparison, finding, startedAt)) repaired += 1;
    await resumeCounting(database);
    return { looked: 1, found: found.length, repaired, next: day, failed: [] };
  } catch (error) {
    signOfLife();
    if (isConnectionLost(error)) throw error;
    const failed = [failedInspection(kind, day, `could not be inspected: ${messageOf(error)}`)];
    return { looked: 0, found: 0, repaired: 0, next: day, failed };
  }
}
