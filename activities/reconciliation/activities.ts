/** Reconciliation's activities: they inspect page after page, keep what they find, and repair what can be repaired automatically. */
import type { LongDatabase } from '../../db/connection.ts';
import { closeUnseen, failedInspection, keepFindings } from '../../db/findings.ts';
import type { DetectedKind, FindingKind } from '../../domain/rules.ts';
import type { OrderWorkflows } from '../../domain/order-workflows.ts';
import { signOfLife } from '../sign-of-life.ts';
import { reconcileDay } from './figures.ts';
import { newPace, refuseTooMany, type Pace } from './inspect-table.ts';
import { clearForgottenMarks, type MarkCursor } from './marks.ts';
import type { PageRequest, PageResult, ReconciledPage } from './page.ts';
import { reconcileTable } from './tables.ts';
import { reconcileLostRefunds, reconcileMissingOrders, reconcileMissingWorkflows } from './workflows.ts';

export interface ReconciliationActivities {
  /** Inspects pages of one kind for some seconds. */
  lookInto: (request: PageRequest) => Promise<PageResult>;
  /** Keeps as a finding that the run could not go on from there. */
  keepFailedLook: (failed: { kind: DetectedKind; why: string; startedAt: string }) => Promise<void>;
  /** Ends the findings that the run has not seen. `looked`: the kinds that it inspected to the end; all, when an older run calls. */
  closeFindings: (run: { startedAt: string; looked?: FindingKind[] }) => Promise<void>;
  /**
   * Clears attention marks that their workflow does not know: it was reset or terminated since it raised them. Returns where the
   * next page begins; null after the last.
   */
  clearMarks: (page: { after: MarkCursor | null }) => Promise<MarkCursor | null>;
}

/** How long an activity goes on from page to page. An activity for each page would fill a run's history in a large shop. */
const INSPECT_FOR_MS = 10_000;

/** Every activity may run any number of times, and concurrently with another run. */
export function createReconciliationActivities(
  database: LongDatabase,
  workflows: OrderWorkflows,
): ReconciliationActivities {
  return {
    async lookInto(request) {
      const until = performance.now() + INSPECT_FOR_MS;
      const pace = newPace();
      const result: PageResult = { looked: 0, found: 0, repaired: 0, next: request.after };
      let failures = 0;
      do {
        signOfLife();
        const page = await reconcilePage(database, workflows, { ...request, after: result.next }, pace);
        await keepFindings(database, 'look_failed', page.failed, request.startedAt);
        result.looked += page.looked;
        result.found += page.found + page.failed.length;
        result.repaired += page.repaired;
        result.next = page.next;
        failures += page.failed.length;
        refuseTooMany(failures, page.failed);
      } while (result.next !== null && performance.now() < until);
      return result;
    },

    async keepFailedLook({ kind, why, startedAt }) {
      await keepFindings(database, 'look_failed', [failedInspection(kind, null, why)], startedAt);
    },

    closeFindings: ({ startedAt, looked }) => closeUnseen(database, startedAt, looked),
    clearMarks: ({ after }) => clearForgottenMarks(database, workflows, after),
  };
}

function reconcilePage(
  database: LongDatabase,
  workflows: OrderWorkflows,
  request: PageRequest,
  pace: Pace,
): Promise<ReconciledPage> {
  const { kind } = request;
  if (kind === 'workflow_missing') return reconcileMissingWorkflows(database, workflows, request);
  if (kind === 'order_missing') return reconcileMissingOrders(database, workflows, request);
  if (kind === 'workflow_failed') return reconcileLostRefunds(database, workflows, request);
  if (kind === 'stats_wrong') return reconcileDay(database, request, INSPECT_FOR_MS);
  return reconcileTable(database, kind, request, pace);
}
