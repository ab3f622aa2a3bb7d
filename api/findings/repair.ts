/** Repairs what a finding is about because an admin asked for it: counters, and what reconciliation would repair by itself. */
import {
  repairFigures,
  repairOnRequest,
  recordRestart,
  type RepairRequest,
} from '../../db/decisions/repair.ts';
import { findFinding, type FindingRow } from '../../db/findings.ts';
import { findOrder } from '../../db/orders.ts';
import { isRepaired } from '../../db/repairs/repairs.ts';
import { isTableKind } from '../../db/rules/detectors.ts';
import type { FindingKind } from '../../domain/rules.ts';
import { Problem } from '../problems/problem.ts';
import { requireFinding, type FindingServers } from './read.ts';

/** Whether a finding of this kind can be repaired at all. */
export const canRepair = (kind: FindingKind): boolean =>
  kind === 'stats_wrong' ||
  kind === 'workflow_missing' ||
  kind === 'workflow_failed' ||
  (isTableKind(kind) && isRepaired(kind, true));

/** @throws {Problem} `not_found`, `finding_closed`, `not_repairable`. */
export async function repairByRequest(
  servers: FindingServers,
  id: string,
  request: RepairRequest,
): Promise<FindingRow> {
  const finding = await requireFinding(servers, id);
  if (finding.decision?.actor === request.actor && finding.decision.reason === request.reason) return finding;
  if (finding.state !== 'open') throw new Problem('finding_closed', `The finding ${id} is ${finding.state}.`);
  if (!canRepair(finding.kind))
    throw new Problem('not_repairable', `Nothing repairs ${finding.kind}: it has choices.`);
  if (!(await repair(servers, finding, request)))
    throw new Problem(
      'not_repairable',
      'Nothing was repaired: it is no longer wrong, or what it would be set to breaks another rule.',
    );
  return (await findFinding(servers.database, id)) ?? finding;
}

async function repair(
  servers: FindingServers,
  finding: FindingRow,
  request: RepairRequest,
): Promise<boolean> {
  const { all, temporal } = servers;
  const { kind, subject, orderId } = finding;
  if (isTableKind(kind)) return repairOnRequest(all, kind, finding, request);
  if (kind === 'stats_wrong') return repairFigures(all, finding, request);
  if (orderId === null) return false;
  if (kind === 'workflow_missing') {
    const order = await findOrder(all, orderId);
    if (order?.stage !== 'awaiting_payment' || !(await temporal.decisions.restartOrder(order))) return false;
    return recordRestart(
      all,
      finding,
      request,
      'The workflow was started again with the deadline its caller was given.',
    );
  }
  const commandId = subject.split('/')[1] ?? null;
  if (!(await temporal.decisions.restartRefund({ orderId, commandId }))) return false;
  return recordRestart(all, finding, request, 'The refund was started again, as it was requested.');
}
