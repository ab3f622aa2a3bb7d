/** Repairs that an admin asked for, with the decision to make them in the same transaction. */
import type { Deed } from '../../domain/audit.ts';
import { REPAIR } from '../../domain/decisions.ts';
import type { Database, LongDatabase } from '../database.ts';
import { keepRepair, lockOpenFinding, type FindingRow, type OpenFinding } from '../findings.ts';
import type { Queryable } from '../postgres.ts';
import { repairFinding } from '../repairs/repairs.ts';
import { setFigures } from '../repairs/figures.ts';
import type { TableKind } from '../rules/detectors.ts';
import { compareDay } from '../stats/compare.ts';
import { countPending } from '../stats/count.ts';
import { resumeCounting } from '../stats/pause.ts';
import { inOneTransaction } from './one-transaction.ts';

export interface RepairRequest {
  /** Who asks for it, and why. */
  actor: string;
  reason: string;
  by: Deed;
}

/** How long it counts what is pending before it compares a day. */
const COUNT_FOR_MS = 2_000;

/** Repairs what a finding in the tables is about. Returns whether anything was changed. */
export function repairOnRequest(
  database: LongDatabase,
  kind: TableKind,
  finding: OpenFinding,
  request: RepairRequest,
): Promise<boolean> {
  const recording = recordingDecision(database, finding, request);
  return repairFinding(
    { ...recording, runLong: (milliseconds, query) => database.runLong(milliseconds, query) },
    kind,
    finding,
    new Date().toISOString(),
  );
}

/** Sets figures to what their events sum. @returns as {@link repairOnRequest} does. */
export async function repairFigures(
  database: Database,
  finding: OpenFinding,
  request: RepairRequest,
): Promise<boolean> {
  const day = finding.subject.slice(0, 'YYYY-MM-DD'.length);
  await countPending(database, COUNT_FOR_MS);
  const comparison = await compareDay(database, day);
  const recording = recordingDecision(database, finding, request);
  const isSet = await setFigures(recording, day, comparison, finding, new Date().toISOString());
  await resumeCounting(database);
  return isSet;
}

/** Records that a workflow was started again. @returns false when the finding was ended meanwhile. */
export function recordRestart(
  database: Database,
  { id }: Pick<FindingRow, 'id'>,
  request: RepairRequest,
  done: string,
): Promise<boolean> {
  return inOneTransaction(database, request.by, async (_, sql) => {
    if (!(await lockOpenFinding(sql, id))) return false;
    const at = new Date().toISOString();
    await keepRepair(sql, id, { done, before: { workflow: 'none' }, after: { workflow: 'running' } }, at);
    await keepDecisionToRepair(sql, id, request);
    return true;
  });
}

/** The same database, whose transaction also records the decision when it has repaired something. */
const recordingDecision = (database: Database, { id }: OpenFinding, request: RepairRequest): Database => ({
  run: (query) => database.run(query),
  transaction: (work) =>
    inOneTransaction(database, request.by, async (_, sql) => {
      const result = await work(sql);
      if (result === true) await keepDecisionToRepair(sql, id, request);
      return result;
    }),
});

const keepDecisionToRepair = (sql: Queryable, findingId: string, { actor, reason }: RepairRequest) => sql`
  insert into decision (finding_id, choice, actor, reason, before, after, at)
  select finding_id, ${REPAIR}, ${actor}, ${reason}, before, after, at from repair where finding_id = ${findingId}
`;
