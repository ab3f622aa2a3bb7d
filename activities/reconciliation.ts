/** Reconciliation's activities: they look at page after page, keep what they find, and repair what can be repaired by itself. */
import { clearAttention, listOpenMarks } from '../db/attention.ts';
import type { Database } from '../db/connection.ts';
import { isConnectionLost, isDatabaseUnavailable } from '../db/errors.ts';
import { closeUnseen, failedLook, keepFindings, type OpenFinding, type Seen } from '../db/findings.ts';
import { look, nextSubject, type TableKind } from '../db/rules/looks.ts';
import type { Look, Page } from '../db/rules/page.ts';
import { isRepaired, repairFinding, sumsLedger } from '../db/repairs/repairs.ts';
import { describeDifference, setFigures } from '../db/repairs/figures.ts';
import { compareDay, nextDay } from '../db/stats/compare.ts';
import { countPending, resumeCounting } from '../db/stats/count.ts';
import type { FindingKind, LookKind } from '../domain/rules.ts';
import { messageOf } from '../process/redaction.ts';
import type { OrderWorkflows } from '../domain/order-workflows.ts';
import type { LookedAt, LookRequest, LookResult } from './look.ts';
import { cannotLook, tooManyFailures } from './errors.ts';
import { signOfLife, whileAlive } from './sign-of-life.ts';
import { lookForBrokenPromises, lookForOrders, lookForWorkflows } from './workflow-looks.ts';

export interface ReconciliationActivities {
  lookInto: (request: LookRequest) => Promise<LookResult>;
  /** Keeps as a finding that the run could not look on from there. */
  keepFailedLook: (failed: { kind: LookKind; why: string; startedAt: string }) => Promise<void>;
  /** Ends the findings that the run has not seen. `looked`: the kinds that it has gone through; all, when an older run calls. */
  closeFindings: (run: { startedAt: string; looked?: FindingKind[] }) => Promise<void>;
  /**
   * Clears attention marks whose workflow knows nothing of them: it was reset, or terminated, since it raised them. Returns where the
   * next page begins; null after the last.
   */
  clearMarks: (page: { after: MarkCursor | null }) => Promise<MarkCursor | null>;
}

export interface MarkCursor {
  /** ISO 8601. */
  raisedAt: string;
  workflowId: string;
}

/** Well within a query's time-out, also on a busy database. */
const ROWS = 500;
/** Each is two questions, one of them to a worker. */
const MARKS = 20;
/** How long an activity goes on from page to page. One for each page would fill a run's history in a large shop. */
const LOOK_MS = 10_000;
/** How long one row may take by itself: a ledger of some ten million entries is summed in that time. */
const LONG_LOOK_MS = 60_000;
/** More rows than these are not each in trouble by themselves. */
const FAILURES_AT_MOST = 20;

/** How many rows a statement looks at: fewer when one took too long, then more again. */
interface Pace {
  rows: number;
}

/** Every activity may run any number of times, and beside another run. */
export function createReconciliationActivities(
  database: Database,
  workflows: OrderWorkflows,
): ReconciliationActivities {
  return {
    async lookInto(request) {
      const until = performance.now() + LOOK_MS;
      const pace: Pace = { rows: ROWS };
      const result: LookResult = { looked: 0, found: 0, repaired: 0, next: request.after };
      let failures = 0;
      do {
        signOfLife();
        const page = await lookAtPage(database, workflows, { ...request, after: result.next }, pace);
        await keepFindings(database, 'look_failed', page.failed, request.startedAt);
        result.looked += page.looked;
        result.found += page.found + page.failed.length;
        result.repaired += page.repaired;
        result.next = page.next;
        failures += page.failed.length;
        if (failures > FAILURES_AT_MOST)
          throw tooManyFailures(failures, page.failed.at(-1)?.finding ?? '', { again: 'would fail' });
      } while (result.next !== null && performance.now() < until);
      return result;
    },

    async keepFailedLook({ kind, why, startedAt }) {
      await keepFindings(database, 'look_failed', [failedLook(kind, null, why)], startedAt);
    },

    closeFindings: ({ startedAt, looked }) => closeUnseen(database, startedAt, looked),
    clearMarks: ({ after }) => clearForgottenMarks(database, workflows, after),
  };
}

function lookAtPage(
  database: Database,
  workflows: OrderWorkflows,
  request: LookRequest,
  pace: Pace,
): Promise<LookedAt> {
  const { kind } = request;
  if (kind === 'workflow_missing') return lookForWorkflows(database, workflows, request);
  if (kind === 'order_missing') return lookForOrders(database, workflows, request);
  if (kind === 'workflow_failed') return lookForBrokenPromises(database, workflows, request);
  if (kind === 'stats_wrong') return lookIntoDay(database, request);
  return lookIntoTable(database, kind, request, pace);
}

async function lookIntoTable(
  database: Database,
  kind: TableKind,
  { after, startedAt, repairCounters }: LookRequest,
  pace: Pace,
): Promise<LookedAt> {
  const { rows, next, failed } = await rowsWithinTime(database, kind, { after, now: startedAt }, pace);
  const seen = rows.flatMap(({ subject, orderId, finding }) =>
    finding === null ? [] : [{ subject, orderId, finding }],
  );
  const found = await keepFindings(database, kind, seen, startedAt);
  let repaired = 0;
  if (isRepaired(kind, repairCounters))
    for (const one of found) {
      const outcome = await repairWithinTime(database, kind, one, startedAt);
      if (typeof outcome !== 'boolean') failed.push(outcome);
      else if (outcome) repaired += 1;
    }
  return { looked: rows.length, found: found.length, repaired, next, failed };
}

interface RowsWithinTime {
  rows: readonly Look[];
  /** Where the next page begins; null after the last row. */
  next: string | null;
  failed: Seen[];
}

/** A page of as many rows as PostgreSQL looks at within a statement's time: a SKU sums all that was ever sold of it. */
async function rowsWithinTime(
  database: Database,
  kind: TableKind,
  page: Omit<Page, 'limit'>,
  pace: Pace,
): Promise<RowsWithinTime> {
  for (;;) {
    const limit = pace.rows;
    try {
      const rows = await database.run(({ sql }) => look(sql, kind, { ...page, limit }));
      pace.rows = Math.min(ROWS, 2 * limit);
      return { rows, next: rows.length < limit ? null : (rows.at(-1)?.subject ?? null), failed: [] };
    } catch (error) {
      if (isConnectionLost(error)) throw error;
      if (limit === 1) return rowWithItsOwnTime(database, kind, page);
      pace.rows = Math.ceil(limit / 8);
      signOfLife();
    }
  }
}

/** The one row that a statement's time was too short for, or that cannot be looked at: then the run goes on behind it. */
async function rowWithItsOwnTime(
  database: Database,
  kind: TableKind,
  page: Omit<Page, 'limit'>,
): Promise<RowsWithinTime> {
  try {
    const looking = database.runLong(LONG_LOOK_MS, (sql) => look(sql, kind, { ...page, limit: 1 }));
    const rows = await whileAlive(looking);
    return { rows, next: rows.at(-1)?.subject ?? null, failed: [] };
  } catch (error) {
    signOfLife();
    if (isConnectionLost(error)) throw error;
    const subject = await subjectBehind(database, kind, page.after);
    if (subject === null) return { rows: [], next: null, failed: [] };
    const why = `could not be looked at: ${messageOf(error)}`;
    return { rows: [], next: subject, failed: [failedLook(kind, subject, why)] };
  }
}

/** @throws when it is not one row that cannot be looked at, but its whole table. */
async function subjectBehind(
  database: Database,
  kind: TableKind,
  after: string | null,
): Promise<string | null> {
  try {
    return await database.run(({ sql }) => nextSubject(sql, kind, after));
  } catch (error) {
    // A table that is locked, or a PostgreSQL that is away, may be there at the next attempt.
    if (isDatabaseUnavailable(error)) throw error;
    throw cannotLook(`not even the next row could be found: ${messageOf(error)}`, { again: 'would fail' });
  }
}

/** Returns whether anything was changed, or why not. */
async function repairWithinTime(
  database: Database,
  kind: TableKind,
  finding: OpenFinding,
  startedAt: string,
): Promise<boolean | Seen> {
  try {
    signOfLife();
    const longMs = sumsLedger(kind) ? LONG_LOOK_MS : undefined;
    return await whileAlive(repairFinding(database, kind, finding, startedAt, longMs));
  } catch (error) {
    signOfLife();
    if (isConnectionLost(error)) throw error;
    return failedLook(
      kind,
      finding.subject,
      `was found wrong and could not be repaired: ${messageOf(error)}`,
    );
  }
}

/** A day of the shop's figures. */
async function lookIntoDay(
  database: Database,
  { kind, after, startedAt, repairCounters }: LookRequest,
): Promise<LookedAt> {
  const day = await nextDay(database, after);
  if (day === null) return { looked: 0, found: 0, repaired: 0, next: null, failed: [] };
  try {
    // Only what is counted is compared, and nobody counts while it is.
    await countPending(database, LOOK_MS);
    // A day may take longer than an activity without a sign of life.
    const comparison = await compareDay(database, day, signOfLife);
    const seen = comparison.differences.map((difference) => describeDifference(day, difference));
    const found = await keepFindings(database, kind, seen, startedAt);
    let repaired = 0;
    if (repairCounters)
      for (const one of found) if (await setFigures(database, day, comparison, one, startedAt)) repaired += 1;
    await resumeCounting(database);
    return { looked: 1, found: found.length, repaired, next: day, failed: [] };
  } catch (error) {
    signOfLife();
    if (isConnectionLost(error)) throw error;
    const failed = [failedLook(kind, day, `could not be looked at: ${messageOf(error)}`)];
    return { looked: 0, found: 0, repaired: 0, next: day, failed };
  }
}

async function clearForgottenMarks(
  database: Database,
  workflows: OrderWorkflows,
  after: MarkCursor | null,
): Promise<MarkCursor | null> {
  const place = after === null ? undefined : { ...after, raisedAt: new Date(after.raisedAt) };
  const marks = await listOpenMarks(database, { after: place, limit: MARKS });
  for (const { workflowId, orderId, raisedAt } of marks) {
    // A workflow whose worker does not answer takes seconds, and there are several of them.
    signOfLife();
    if (await workflows.isMarked(workflowId)) continue;
    // One that is raised in between is younger, and stays.
    await clearAttention(database, { workflowId, orderId, at: raisedAt.toISOString() });
  }
  const last = marks.at(-1);
  if (!last || marks.length < MARKS) return null;
  return { raisedAt: last.raisedAt.toISOString(), workflowId: last.workflowId };
}
