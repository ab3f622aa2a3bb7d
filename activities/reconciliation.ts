/** Reconciliation's activities: they look at page after page, keep what they find, and repair what can be repaired by itself. */
import { heartbeat } from '@temporalio/activity';
import { clearAttention, listOpenMarks } from '../db/attention.ts';
import { tookTooLong, type Database } from '../db/connection.ts';
import { findOrder, listOpenOrders, listRecordedOrders, type Order } from '../db/orders.ts';
import {
  closeUnseen,
  keepFindings,
  keepRepair,
  takeBack,
  type OpenFinding,
  type Seen,
} from '../db/reconcile/findings.ts';
import { look, type TableKind } from '../db/reconcile/looks.ts';
import type { Look, Page } from '../db/reconcile/page.ts';
import { isRepaired, repairFinding } from '../db/reconcile/repairs.ts';
import { inWords, setFigures } from '../db/reconcile/stats.ts';
import { compareDay, nextDay } from '../db/stats/compare.ts';
import { countPending, resumeCounting } from '../db/stats/count.ts';
import type { FindingKind, ReconcileEnd } from '../workflows/contract.ts';

export interface LookRequest {
  kind: FindingKind;
  /** Where the page before ended; null for the first. */
  after: string | null;
  /** When the run began, ISO 8601. */
  startedAt: string;
  repairCounters: boolean;
}

export interface LookResult extends ReconcileEnd {
  /** Where the next page begins; null after the last. */
  next: string | null;
}

export interface ReconciliationActivities {
  lookInto: (request: LookRequest) => Promise<LookResult>;
  /** Ends the findings that the run has not seen. To be called when it has looked at everything. */
  closeFindings: (run: { startedAt: string }) => Promise<void>;
  /**
   * Clears attention marks whose workflow knows nothing of them: it was reset, or terminated, since it raised them. Returns where the
   * next page begins; null after the last.
   */
  clearMarks: (page: { after: MarkPlace | null }) => Promise<MarkPlace | null>;
}

export interface MarkPlace {
  /** ISO 8601. */
  raisedAt: string;
  workflowId: string;
}

/** What reconciliation asks of Temporal. */
export interface OrderWorkflows {
  isRunning: (orderId: string) => Promise<boolean>;
  /**
   * Whether an order's workflow runs and is past its reservation, so that the order is recorded. One whose tasks keep failing
   * cannot say, and counts; one that waits for a worker has not begun.
   */
  isPastReservation: (orderId: string) => Promise<boolean>;
  /** Whether the workflow of an order, or of its refund, says that a person has to look. One that does not answer may. */
  isMarked: (workflowId: string) => Promise<boolean>;
  /** Orders whose workflow runs, as far as the listing knows, which lags. */
  listRunning: (after: string | null) => Promise<{ orders: RunningOrder[]; next: string | null }>;
  /** Starts an open order's workflow again, with the deadline that was told. Returns false when one runs by now. */
  startAgain: (order: Order) => Promise<boolean>;
}

export interface RunningOrder {
  orderId: string;
  startedAt: Date;
}

/** Well within a query's time-out, also on a busy database. */
const ROWS = 500;
/** Each is one question to Temporal. */
const WORKFLOWS = 100;
const QUESTIONS_AT_ONCE = 10;
/** Each is two questions, one of them to a worker. */
const MARKS = 20;
/** How long an activity goes on from page to page. One for each page would fill a run's history in a large shop. */
const LOOK_MS = 10_000;

/** How old a workflow is that is asked why its order is not recorded: being asked costs a worker's time. */
const RECORDED_WITHIN_MS = 60_000;

/** Every activity may run any number of times, and beside another run. */
export function createReconciliationActivities(
  database: Database,
  workflows: OrderWorkflows,
): ReconciliationActivities {
  return {
    async lookInto(request) {
      const until = performance.now() + LOOK_MS;
      const result: LookResult = { looked: 0, found: 0, repaired: 0, next: request.after };
      do {
        const page = await lookAtPage(database, workflows, { ...request, after: result.next });
        result.looked += page.looked;
        result.found += page.found;
        result.repaired += page.repaired;
        result.next = page.next;
      } while (result.next !== null && performance.now() < until);
      return result;
    },
    closeFindings: ({ startedAt }) => closeUnseen(database, startedAt),
    clearMarks: ({ after }) => clearForgottenMarks(database, workflows, after),
  };
}

function lookAtPage(
  database: Database,
  workflows: OrderWorkflows,
  request: LookRequest,
): Promise<LookResult> {
  const { kind } = request;
  if (kind === 'workflow_missing') return lookForWorkflows(database, workflows, request);
  if (kind === 'order_missing') return lookForOrders(database, workflows, request);
  if (kind === 'stats_wrong') return lookIntoDay(database, request);
  return lookIntoTable(database, kind, request);
}

async function lookIntoTable(
  database: Database,
  kind: TableKind,
  { after, startedAt, repairCounters }: LookRequest,
): Promise<LookResult> {
  const { rows, limit } = await lookAtMost(database, kind, { after, limit: ROWS, now: startedAt });
  const seen = rows.flatMap(({ subject, orderId, finding }) =>
    finding === null ? [] : [{ subject, orderId, finding }],
  );
  const found = await keepFindings(database, kind, seen, startedAt);
  let repaired = 0;
  if (isRepaired(kind, repairCounters))
    for (const one of found) if (await repairFinding(database, kind, one, startedAt)) repaired += 1;
  const next = rows.length < limit ? null : (rows.at(-1)?.subject ?? null);
  return { looked: rows.length, found: found.length, repaired, next };
}

/** A page of as many rows as PostgreSQL looks at within a statement's time: a SKU sums all that was ever sold of it. */
async function lookAtMost(
  database: Database,
  kind: TableKind,
  page: Page,
): Promise<{ rows: readonly Look[]; limit: number }> {
  const { limit } = page;
  try {
    return { rows: await database.run(({ sql }) => look(sql, kind, page)), limit };
  } catch (error) {
    if (limit === 1 || !tookTooLong(error)) throw error;
    return lookAtMost(database, kind, { ...page, limit: Math.ceil(limit / 8) });
  }
}

/** A day of the shop's figures. */
async function lookIntoDay(
  database: Database,
  { kind, after, startedAt, repairCounters }: LookRequest,
): Promise<LookResult> {
  // Only what is counted is compared, and nobody counts while it is.
  await countPending(database, LOOK_MS);
  const day = await nextDay(database, after);
  if (day === null) return { looked: 0, found: 0, repaired: 0, next: null };
  // A day may take longer than an activity without a sign of life.
  const comparison = await compareDay(database, day, () => heartbeat());
  const seen = comparison.differences.map((difference) => inWords(day, difference));
  const found = await keepFindings(database, kind, seen, startedAt);
  let repaired = 0;
  if (repairCounters)
    for (const one of found) if (await setFigures(database, day, comparison, one, startedAt)) repaired += 1;
  await resumeCounting(database);
  return { looked: 1, found: found.length, repaired, next: day };
}

/** Open orders that no workflow would ever close. */
async function lookForWorkflows(
  database: Database,
  workflows: OrderWorkflows,
  { kind, after, startedAt }: LookRequest,
): Promise<LookResult> {
  const ids = await listOpenOrders(database, { after, limit: WORKFLOWS });
  const seen: Seen[] = [];
  for (const orderId of await which(ids, async (id) => !(await workflows.isRunning(id)))) {
    // A workflow ends only after it has recorded the order's end: one that is open still has been left alone.
    const order = await findOrder(database, orderId);
    if (order?.stage !== 'awaiting_payment') continue;
    const finding = `waits for payment until ${order.paymentDeadline.toISOString()}, and no workflow runs for it`;
    seen.push({ subject: orderId, orderId, finding });
  }
  const found = await keepFindings(database, kind, seen, startedAt);
  let repaired = 0;
  for (const one of found) if (await startAgain(database, workflows, one, startedAt)) repaired += 1;
  return {
    looked: ids.length,
    found: found.length,
    repaired,
    next: ids.length < WORKFLOWS ? null : (ids.at(-1) ?? null),
  };
}

async function startAgain(
  database: Database,
  workflows: OrderWorkflows,
  { id, subject }: OpenFinding,
  startedAt: string,
): Promise<boolean> {
  const order = await findOrder(database, subject);
  if (order?.stage !== 'awaiting_payment' || !(await workflows.startAgain(order))) {
    await database.run(({ sql }) => takeBack(sql, id, startedAt));
    return false;
  }
  await database.run(({ sql }) =>
    keepRepair(
      sql,
      id,
      {
        done: 'The workflow was started again with the deadline that was told.',
        before: { workflow: 'none' },
        after: { workflow: 'running', deadline: order.paymentDeadline.toISOString() },
      },
      new Date().toISOString(),
    ),
  );
  return true;
}

/** Workflows that run for an order which is not recorded. */
async function lookForOrders(
  database: Database,
  workflows: OrderWorkflows,
  { kind, after, startedAt }: LookRequest,
): Promise<LookResult> {
  const { orders, next } = await workflows.listRunning(after);
  const old = orders.filter(
    (order) => Date.parse(startedAt) - order.startedAt.getTime() > RECORDED_WITHIN_MS,
  );
  const ids = old.map(({ orderId }) => orderId);
  const recorded = await listRecordedOrders(database, ids);
  const unrecorded = ids.filter((id) => !recorded.has(id));
  const seen: Seen[] = [];
  for (const orderId of await which(unrecorded, (id) => workflows.isPastReservation(id))) {
    const finding = 'its workflow runs, and the order is not recorded';
    seen.push({ subject: orderId, orderId, finding });
  }
  const found = await keepFindings(database, kind, seen, startedAt);
  return { looked: orders.length, found: found.length, repaired: 0, next };
}

/** Of which of these it is true, asked a few at a time. */
async function which(ids: readonly string[], isTrue: (id: string) => Promise<boolean>): Promise<string[]> {
  const found: string[] = [];
  for (let start = 0; start < ids.length; start += QUESTIONS_AT_ONCE) {
    const some = ids.slice(start, start + QUESTIONS_AT_ONCE);
    const answers = await Promise.all(some.map(isTrue));
    found.push(...some.filter((_, index) => answers[index]));
  }
  return found;
}

async function clearForgottenMarks(
  database: Database,
  workflows: OrderWorkflows,
  after: MarkPlace | null,
): Promise<MarkPlace | null> {
  const place = after === null ? undefined : { ...after, raisedAt: new Date(after.raisedAt) };
  const marks = await listOpenMarks(database, { after: place, limit: MARKS });
  for (const { workflowId, orderId, raisedAt } of marks) {
    if (await workflows.isMarked(workflowId)) continue;
    // One that is raised meanwhile is younger, and stays.
    await clearAttention(database, { workflowId, orderId, at: raisedAt.toISOString() });
  }
  const last = marks.at(-1);
  if (!last || marks.length < MARKS) return null;
  return { raisedAt: last.raisedAt.toISOString(), workflowId: last.workflowId };
}
