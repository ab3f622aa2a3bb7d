/**
 * Reconciliation: compares what the tables and Temporal say of the same orders, page by page, repairs what can be repaired by
 * itself and keeps the rest as findings. Runs on a schedule beside live orders; two runs at once do nothing twice.
 */
import { patched, proxyActivities, setCurrentDetails, workflowInfo } from '@temporalio/workflow';
import type { LookResult, MarkPlace, ReconciliationActivities } from '../activities/reconciliation.ts';
import { FINDING_KINDS, type ReconcileEnd, type ReconcileInput } from './contract.ts';

const { lookInto, closeFindings, clearMarks } = proxyActivities<ReconciliationActivities>({
  // A day's figures may take minutes; a look that has died is noticed by its silence.
  startToCloseTimeout: '30 minutes',
  heartbeatTimeout: '1 minute',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '30s' },
});

/** What a run of 0.2 looked for: one that a newer worker takes over ends as it began. */
const KINDS_OF_0_2 = FINDING_KINDS.slice(0, FINDING_KINDS.indexOf('order_inconsistent'));

export async function reconcile({ repairCounters }: ReconcileInput): Promise<ReconcileEnd> {
  const startedAt = workflowInfo().startTime.toISOString();
  const end: ReconcileEnd = { looked: 0, found: 0, repaired: 0 };
  for (const kind of patched('consistency') ? FINDING_KINDS : KINDS_OF_0_2) {
    for (let after: string | null = null; ;) {
      setCurrentDetails(`Looks for ${kind}. ${inWords(end)}`);
      const page: LookResult = await lookInto.executeWithOptions({ summary: kind }, [
        { kind, after, startedAt, repairCounters },
      ]);
      end.looked += page.looked;
      end.found += page.found;
      end.repaired += page.repaired;
      if (page.next === null) break;
      after = page.next;
    }
  }
  await closeFindings({ startedAt });
  for (let after: MarkPlace | null = null; ;) {
    after = await clearMarks({ after });
    if (after === null) break;
  }
  setCurrentDetails(inWords(end));
  return end;
}

const inWords = ({ looked, found, repaired }: ReconcileEnd): string =>
  `${looked} looked at, ${found} wrong, ${repaired} of them repaired.`;
