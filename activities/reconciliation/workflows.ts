/** Reconciles a page of orders with their workflows: keeps what is found, and starts again what was lost. */
import type { Database } from '../../db/connection.ts';
import {
  failedInspection,
  keepFindings,
  keepRepair,
  withdrawFinding,
  type Finding,
  type OpenFinding,
  type RepairResult,
} from '../../db/findings.ts';
import { findOrder } from '../../db/orders.ts';
import { listUnmadeRefunds } from '../../db/refunds.ts';
import type { OrderWorkflows } from '../../domain/order-workflows.ts';
import { messageOf } from '../../process/redaction.ts';
import { signOfLife } from '../sign-of-life.ts';
import { refuseMany } from './ask-temporal.ts';
import { detectLostRefunds, detectMissingOrders, detectMissingWorkflows } from './detect-workflows.ts';
import type { PageRequest, ReconciledPage } from './page.ts';

/** Starts the workflow of each open order that has none. */
export async function reconcileMissingWorkflows(
  database: Database,
  workflows: OrderWorkflows,
  { kind, after, startedAt }: PageRequest,
): Promise<ReconciledPage> {
  const page = await detectMissingWorkflows(database, workflows, { after, now: startedAt });
  const found = await keepFindings(database, kind, page.findings, startedAt);
  const repairs = await repairEach(database, found, startedAt, async ({ subject }) => {
    const order = await findOrder(database, subject);
    if (order?.stage !== 'awaiting_payment' || !(await workflows.restartOrder(order))) return 'nothing wrong';
    return {
      done: 'The workflow was started again with the deadline its caller was given.',
      before: { workflow: 'none' },
      after: { workflow: 'running', deadline: order.paymentDeadline.toISOString() },
    };
  });
  return {
    looked: page.inspected,
    found: found.length,
    repaired: repairs.repaired,
    next: page.next,
    failed: [...page.failed, ...repairs.failed],
  };
}

/** Only reports: what a workflow without its order should do is for a person. */
export async function reconcileMissingOrders(
  database: Database,
  workflows: OrderWorkflows,
  { kind, after, startedAt }: PageRequest,
): Promise<ReconciledPage> {
  const { inspected, findings, failed, next } = await detectMissingOrders(database, workflows, {
    after,
    now: startedAt,
  });
  const found = await keepFindings(database, kind, findings, startedAt);
  return { looked: inspected, found: found.length, repaired: 0, next, failed };
}

/** Begins each lost refund again, as it was asked for. One that can no longer be made is for a person. */
export async function reconcileLostRefunds(
  database: Database,
  workflows: OrderWorkflows,
  { kind, after, startedAt }: PageRequest,
): Promise<ReconciledPage> {
  const page = await detectLostRefunds(database, workflows, { after, now: startedAt });
  const found = await keepFindings(database, kind, page.findings, startedAt);
  const repairs = await repairEach(database, found, startedAt, async ({ subject, finding }) => {
    const refund = page.refunds.get(subject)?.refund;
    if (!refund) return 'for a person';
    const { orderId, commandId, amount, lines, restock } = refund;
    const isUnmade = (await listUnmadeRefunds(database, [{ orderId, commandId }])).length > 0;
    if (!isUnmade || !(await workflows.restartRefund(refund))) return 'nothing wrong';
    return {
      done: 'The refund was started again, as it was requested.',
      before: { stage: 'paid', workflow: finding },
      after: { workflow: 'running', commandId, amount, lines, restock },
    };
  });
  return {
    looked: page.inspected,
    found: found.length,
    repaired: repairs.repaired,
    next: page.next,
    failed: [...page.failed, ...repairs.failed],
  };
}

async function repairEach(
  database: Database,
  found: readonly OpenFinding[],
  startedAt: string,
  repair: (finding: OpenFinding) => Promise<RepairResult>,
): Promise<{ repaired: number; failed: Finding[] }> {
  let repaired = 0;
  const failed: Finding[] = [];
  for (const finding of found) {
    signOfLife();
    try {
      const result = await repair(finding);
      if (result === 'for a person') continue;
      if (result === 'nothing wrong') {
        await database.run(({ sql }) => withdrawFinding(sql, finding.id, startedAt));
        continue;
      }
      await database.run(({ sql }) => keepRepair(sql, finding.id, result, new Date().toISOString()));
      repaired += 1;
    } catch (error) {
      const why = `was found wrong and could not be repaired: ${messageOf(error)}`;
      failed.push(failedInspection(finding.kind, finding.subject, why));
    }
    refuseMany(failed);
  }
  return { repaired, failed };
}
