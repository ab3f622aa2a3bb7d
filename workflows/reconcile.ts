/**
 * Reconciliation: compares what the tables and Temporal say about the same orders, page by page, repairs what can be repaired
 * automatically and keeps the rest as findings. Runs on a schedule alongside live orders; two runs at once do nothing twice. What it
 * cannot inspect is a finding too, and it continues after it: a run always ends.
 */
import {
  ActivityFailure,
  isCancellation,
  patched,
  proxyActivities,
  setCurrentDetails,
  workflowInfo,
} from '@temporalio/workflow';
import type { ReconciliationActivities } from '../activities/reconciliation/activities.ts';
import type { MarkCursor } from '../activities/reconciliation/marks.ts';
import type { PageResult } from '../activities/reconciliation/page.ts';
import { DETECTED_KINDS, type DetectedKind, type ReconcileEnd } from '../domain/rules.ts';
import { RECONCILE_FOR_MS, SILENT_FOR_MS } from '../domain/timeouts.ts';
import { WORKFLOW, type ReconcileInput } from './messages.ts';
import { recordEnd } from './run-end.ts';

/** When the time is over, what is left is still requested, and fails. */
const SHORTEST_MS = 1_000;

const { lookInto } = proxyActivities<ReconciliationActivities>({
  // A day's figures may take minutes; an attempt that has died is noticed by its silence.
  startToCloseTimeout: '30 minutes',
  heartbeatTimeout: SILENT_FOR_MS,
  // Two minutes: longer than PostgreSQL or Temporal takes to come back. After that the run goes on with the next kind.
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '30s', maximumAttempts: 8 },
});

// Each takes less than a second while PostgreSQL answers. If it does not, this run fails, and the next one begins.
const { keepFailedLook, closeFindings, clearMarks } = proxyActivities<ReconciliationActivities>({
  startToCloseTimeout: '5 minutes',
  heartbeatTimeout: SILENT_FOR_MS,
  scheduleToCloseTimeout: '10 minutes',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '30s' },
});

/** The kinds of earlier releases: a run that a newer worker takes over ends as it began. */
const KINDS_OF_0_4 = DETECTED_KINDS.slice(0, DETECTED_KINDS.indexOf('payment_inconsistent'));
const KINDS_OF_0_3 = DETECTED_KINDS.slice(0, DETECTED_KINDS.indexOf('workflow_failed'));
const KINDS_OF_0_2 = DETECTED_KINDS.slice(0, DETECTED_KINDS.indexOf('order_inconsistent'));

export async function reconcile({
  repairCounters,
  forMs = RECONCILE_FOR_MS,
  payments = false,
}: ReconcileInput): Promise<ReconcileEnd> {
  // Must come before anything else; see docs/decisions/0029.
  const isBounded = patched('bounded');
  const kinds = isBounded
    ? payments
      ? DETECTED_KINDS
      : KINDS_OF_0_4
    : patched('consistency')
      ? KINDS_OF_0_3
      : KINDS_OF_0_2;
  const startedAt = workflowInfo().startTime.toISOString();
  const endsBy = Date.now() + forMs;
  const end: ReconcileEnd = { looked: 0, found: 0, repaired: 0 };
  const completed: DetectedKind[] = [];
  for (const kind of kinds) {
    // Half of the time that is left: a kind that takes long leaves time for the kinds after it.
    const share = Math.max((endsBy - Date.now()) / 2, SHORTEST_MS);
    try {
      await detectAll(kind, { startedAt, repairCounters, endsBy: Date.now() + share }, end);
      completed.push(kind);
    } catch (error) {
      if (!(error instanceof ActivityFailure) || isCancellation(error)) throw error;
      end.found += 1;
      await keepFailedLook.executeWithOptions({ summary: 'Record what could not be searched' }, [
        { kind, why: `was not searched to the end: ${causeOf(error)}`, startedAt },
      ]);
    }
  }
  await closeFindings.executeWithOptions({ summary: 'Close what is no longer found' }, [
    { startedAt, looked: completed },
  ]);
  for (let after: MarkCursor | null = null; ;) {
    after = await clearMarks.executeWithOptions({ summary: 'Clear marks that their workflows forgot' }, [
      { after },
    ]);
    // The remaining marks are left to the next run.
    if (after === null || (isBounded && Date.now() > endsBy)) break;
  }
  if (isBounded) await recordEnd(WORKFLOW.reconcile);
  setCurrentDetails(describeEnd(end));
  return end;
}

interface Search {
  startedAt: string;
  repairCounters: boolean;
  /** Milliseconds since 1970, as the workflow counts them. */
  endsBy: number;
}

/** @throws {ActivityFailure} when a kind is not searched to the end by then, or could not be. */
async function detectAll(
  kind: DetectedKind,
  { startedAt, repairCounters, endsBy }: Search,
  end: ReconcileEnd,
): Promise<void> {
  for (let after: string | null = null; ;) {
    setCurrentDetails(`Searches for ${kind}. ${describeEnd(end)}`);
    const scheduleToCloseTimeout = Math.max(endsBy - Date.now(), SHORTEST_MS);
    const page: PageResult = await lookInto.executeWithOptions({ summary: kind, scheduleToCloseTimeout }, [
      { kind, after, startedAt, repairCounters },
    ]);
    end.looked += page.looked;
    end.found += page.found;
    end.repaired += page.repaired;
    if (page.next === null) return;
    after = page.next;
  }
}

/** The innermost message: the others only say that an activity failed. */
function causeOf(error: Error): string {
  return error.cause instanceof Error ? causeOf(error.cause) : error.message;
}

const describeEnd = ({ looked, found, repaired }: ReconcileEnd): string =>
  `${looked} inspected, ${found} wrong, ${repaired} of them repaired.`;
