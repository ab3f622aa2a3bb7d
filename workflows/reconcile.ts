/**
 * Reconciliation: compares what the tables and Temporal say of the same orders, page by page, repairs what can be repaired by
 * itself and keeps the rest as findings. Runs on a schedule beside live orders; two runs at once do nothing twice. What it
 * cannot look at is a finding too, and it goes on behind it: a run always ends.
 */
import {
  ActivityFailure,
  isCancellation,
  patched,
  proxyActivities,
  setCurrentDetails,
  workflowInfo,
} from '@temporalio/workflow';
import type { LookResult } from '../activities/look.ts';
import type { MarkCursor, ReconciliationActivities } from '../activities/reconciliation.ts';
import { LOOK_KINDS, type LookKind } from '../domain/rules.ts';
import { RECONCILE_FOR_MS, SILENT_FOR_MS } from '../domain/timeouts.ts';
import type { ReconcileEnd } from '../domain/rules.ts';
import { WORKFLOW, type ReconcileInput } from './messages.ts';
import { recordEnd } from './run-end.ts';

/** What is left when the time is over is asked for all the same, and fails. */
const SHORTEST_MS = 1_000;

const { lookInto } = proxyActivities<ReconciliationActivities>({
  // A day's figures may take minutes; a look that has died is noticed by its silence.
  startToCloseTimeout: '30 minutes',
  heartbeatTimeout: SILENT_FOR_MS,
  // Two minutes: longer than PostgreSQL or Temporal takes to come back, and then the run looks for the next kind.
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '30s', maximumAttempts: 8 },
});

// Each within a second when PostgreSQL is there. When it is not, this run fails, and the next one begins.
const { keepFailedLook, closeFindings, clearMarks } = proxyActivities<ReconciliationActivities>({
  startToCloseTimeout: '5 minutes',
  heartbeatTimeout: SILENT_FOR_MS,
  scheduleToCloseTimeout: '10 minutes',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '30s' },
});

/** What runs of earlier releases looked for: one that a newer worker takes over ends as it began. */
const KINDS_OF_0_3 = LOOK_KINDS.slice(0, LOOK_KINDS.indexOf('workflow_failed'));
const KINDS_OF_0_2 = LOOK_KINDS.slice(0, LOOK_KINDS.indexOf('order_inconsistent'));

export async function reconcile({
  repairCounters,
  forMs = RECONCILE_FOR_MS,
}: ReconcileInput): Promise<ReconcileEnd> {
  // Asked for before anything else, as it has to be; see docs/architecture.md.
  const isBounded = patched('bounded');
  const kinds = isBounded ? LOOK_KINDS : patched('consistency') ? KINDS_OF_0_3 : KINDS_OF_0_2;
  const startedAt = workflowInfo().startTime.toISOString();
  const endsBy = Date.now() + forMs;
  const end: ReconcileEnd = { looked: 0, found: 0, repaired: 0 };
  const looked: LookKind[] = [];
  for (const kind of kinds) {
    // Half of what is left: one kind that takes long leaves time for those behind it.
    const share = Math.max((endsBy - Date.now()) / 2, SHORTEST_MS);
    try {
      await lookForAll(kind, { startedAt, repairCounters, endsBy: Date.now() + share }, end);
      looked.push(kind);
    } catch (error) {
      if (!(error instanceof ActivityFailure) || isCancellation(error)) throw error;
      end.found += 1;
      await keepFailedLook({ kind, why: `was not looked for to the end: ${causeOf(error)}`, startedAt });
    }
  }
  await closeFindings({ startedAt, looked });
  for (let after: MarkCursor | null = null; ;) {
    after = await clearMarks({ after });
    // Marks that are left are the next run's.
    if (after === null || (isBounded && Date.now() > endsBy)) break;
  }
  if (isBounded) await recordEnd(WORKFLOW.reconcile);
  setCurrentDetails(inWords(end));
  return end;
}

interface Looking {
  startedAt: string;
  repairCounters: boolean;
  /** Milliseconds since 1970, as the workflow counts them. */
  endsBy: number;
}

/** @throws {ActivityFailure} when it is not done by then, or could not go on. */
async function lookForAll(
  kind: LookKind,
  { startedAt, repairCounters, endsBy }: Looking,
  end: ReconcileEnd,
): Promise<void> {
  for (let after: string | null = null; ;) {
    setCurrentDetails(`Looks for ${kind}. ${inWords(end)}`);
    const scheduleToCloseTimeout = Math.max(endsBy - Date.now(), SHORTEST_MS);
    const page: LookResult = await lookInto.executeWithOptions({ summary: kind, scheduleToCloseTimeout }, [
      { kind, after, startedAt, repairCounters },
    ]);
    end.looked += page.looked;
    end.found += page.found;
    end.repaired += page.repaired;
    if (page.next === null) return;
    after = page.next;
  }
}

/** Which activity it was says nothing; why it failed does. */
function causeOf(error: Error): string {
  return error.cause instanceof Error ? causeOf(error.cause) : error.message;
}

const inWords = ({ looked, found, repaired }: ReconcileEnd): string =>
  `${looked} looked at, ${found} wrong, ${repaired} of them repaired.`;
