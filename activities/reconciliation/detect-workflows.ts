/**
 * Rule 8: the detectors that compare orders with their workflows. Orders without a workflow, workflows without an open order, and
 * refunds that were promised and that no workflow carries out.
 */
import type { Database } from '../../db/connection.ts';
import type { Finding } from '../../db/findings.ts';
import { findOrder, listOpenOrders, listWithoutEvents } from '../../db/orders.ts';
import { listUnmadeRefunds } from '../../db/refunds.ts';
import type { TemporalKind } from '../../db/rules/detectors.ts';
import { findRunningWithoutOpenOrder } from '../../db/rules/running-orders.ts';
import type { BrokenPromise, LostRefund, OrderWorkflows } from '../../domain/order-workflows.ts';
import { DISAGREEMENT_GRACE_MS } from '../../domain/timeouts.ts';
import { signOfLife } from '../sign-of-life.ts';
import { askEach } from './ask-temporal.ts';

/** Each costs one question to Temporal. */
const ORDERS_IN_A_PAGE = 100;

interface WorkflowPage {
  /** Orders or workflows that were inspected. */
  inspected: number;
  findings: Finding[];
  /** Those that Temporal could not answer for. */
  failed: Finding[];
  /** Where the next page begins; null after the last. */
  next: string | null;
}

interface PageOfWorkflows {
  after: string | null;
  /** The run's time, ISO 8601. */
  now: string;
}

/** Open orders that no workflow would ever close. */
export async function detectMissingWorkflows(
  database: Database,
  workflows: OrderWorkflows,
  { after }: PageOfWorkflows,
): Promise<WorkflowPage> {
  const ids = await listOpenOrders(database, { after, limit: ORDERS_IN_A_PAGE });
  const { answers, failed } = await askEach('workflow_missing', ids, workflows.isRunning);
  const findings: Finding[] = [];
  for (const [orderId, isRunning] of answers) {
    if (isRunning) continue;
    signOfLife();
    // A workflow ends only after it has recorded the order's end: an order that is still open has been left alone.
    const order = await findOrder(database, orderId);
    if (order?.stage !== 'awaiting_payment') continue;
    const finding = `waits for payment until ${order.paymentDeadline.toISOString()}, and no workflow runs for it`;
    findings.push({ subject: orderId, orderId, finding });
  }
  const next = ids.length < ORDERS_IN_A_PAGE ? null : (ids.at(-1) ?? null);
  return { inspected: ids.length, findings, failed, next };
}

/** Workflows that run for an order that is not recorded, or that is over. */
export async function detectMissingOrders(
  database: Database,
  workflows: OrderWorkflows,
  { after, now }: PageOfWorkflows,
): Promise<WorkflowPage> {
  const { orders, next } = await workflows.listRunning(after);
  const before = new Date(Date.parse(now) - DISAGREEMENT_GRACE_MS);
  // A young workflow's order may be about to be recorded, and asking why it is not costs a worker's time.
  const ids = orders.filter(({ startedAt }) => startedAt < before).map(({ orderId }) => orderId);
  const stages = await findRunningWithoutOpenOrder(database, ids, before);
  const { answers, failed } = await askEach('order_missing', [...stages.keys()], (id) =>
    stages.get(id) === null ? workflows.isPastReservation(id) : workflows.isRunning(id),
  );
  const findings: Finding[] = [];
  for (const [orderId, isWrong] of answers) {
    const stage = stages.get(orderId) ?? null;
    const finding =
      stage === null
        ? 'its workflow runs, and the order is not recorded'
        : `its workflow still runs, but the order is ${stage}`;
    if (isWrong) findings.push({ subject: orderId, orderId, finding });
  }
  return { inspected: orders.length, findings, failed, next };
}

/**
 * Refunds of paid orders that were promised by a workflow that failed, timed out or was terminated; with each that can be made, by its
 * finding's subject.
 */
export async function detectLostRefunds(
  database: Database,
  workflows: OrderWorkflows,
  { after }: PageOfWorkflows,
): Promise<WorkflowPage & { refunds: Map<string, LostRefund> }> {
  const { promises, next } = await workflows.listBroken(after);
  // Every other one has been dealt with: the listing has its workflow for as long as Temporal keeps it.
  const unkept = new Map(
    (await listUnmadeRefunds(database, promises)).map((promise) => [subjectOf(promise), promise]),
  );
  const { answers, failed } = await askEach('workflow_failed', [...unkept.keys()], async (subject) => {
    const promise = unkept.get(subject);
    return promise && workflows.findLostRefund(promise);
  });
  const lost = [...answers.values()].filter((refund) => refund !== undefined);
  // An attempt that was under way when its workflow ended may have committed since.
  const unmade = await listUnmadeRefunds(
    database,
    lost.map(({ refund: { orderId, commandId } }) => ({ orderId, commandId })),
  );
  const stillLost = new Set(unmade.map(subjectOf));
  const promised = new Map(
    lost.map((refund) => [subjectOf(refund.refund), refund] as const).filter(([of]) => stillLost.has(of)),
  );
  const tooOld = new Set(
    await listWithoutEvents(database, [...new Set(unmade.map(({ orderId }) => orderId))]),
  );
  const findings = [...promised].map(
    ([
      subject,
      {
        refund: { orderId },
        finding,
      },
    ]) => ({
      subject,
      orderId,
      finding: tooOld.has(orderId)
        ? `${finding}; its events are no longer kept, so a person has to give the money back`
        : finding,
    }),
  );
  const refunds = new Map([...promised].filter(([, { refund }]) => !tooOld.has(refund.orderId)));
  return { inspected: promises.length, findings, failed, next, refunds };
}

/** An order may have lost several refunds. */
const subjectOf = ({ orderId, commandId }: BrokenPromise): string =>
  commandId === null ? orderId : `${orderId}/${commandId}`;

const DETECTORS = {
  workflow_missing: detectMissingWorkflows,
  order_missing: detectMissingOrders,
  workflow_failed: detectLostRefunds,
} as const;

/** Everything that is wrong between orders and their workflows, and what Temporal could not answer for. */
export async function detectInTemporal(
  database: Database,
  workflows: OrderWorkflows,
  kind: TemporalKind,
  now: string,
): Promise<Finding[]> {
  const found: Finding[] = [];
  for (let after: string | null = null; ;) {
    const page: WorkflowPage = await DETECTORS[kind](database, workflows, { after, now });
    found.push(...page.findings, ...page.failed);
    if (page.next === null) return found;
    after = page.next;
  }
}
