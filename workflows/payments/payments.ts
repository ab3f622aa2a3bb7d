/**
 * Finds payments that are not settled and that nobody looks after, and ends what providers said about payments that nobody here asked for. Runs
 * on a schedule, for what nobody woke: a process was killed between recording and waking, or a workflow was terminated.
 */
import { proxyActivities, setCurrentDetails, workflowInfo } from '@temporalio/workflow';
import type { UnmatchedActivities } from '../../activities/payments/unmatched.ts';
import type { WakingPaymentsActivities } from '../../activities/payments/wake.ts';
import { SILENT_FOR_MS } from '../../domain/timeouts.ts';
import { payingQueueOf } from '../../domain/workflow-ids.ts';
import { WORKFLOW, type PaymentsEnd } from '../messages.ts';
import { recordEnd } from '../run-end.ts';
import { now } from '../time.ts';

const retry = { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '30s' } as const;
const { startPayments, removeSources } = proxyActivities<WakingPaymentsActivities>({
  startToCloseTimeout: '1 minute',
  retry,
});

export async function payments(): Promise<PaymentsEnd> {
  const { endNotifications } = proxyActivities<UnmatchedActivities>({
    taskQueue: payingQueueOf(workflowInfo().taskQueue),
    startToCloseTimeout: '10 minutes',
    heartbeatTimeout: SILENT_FOR_MS,
    retry,
  });
  const { started } = await startPayments({ at: now() });
  const { matched, returned, unknown } = await endNotifications({ at: now() });
  const { removed } = await removeSources({ at: now() });
  setCurrentDetails(
    `${started} payments were not settled. ${matched} notifications were about payments that are known by now; the money of ${returned} payments ` +
      `that nobody asked for was given back, and ${unknown} of them are unknown to everybody so far.`,
  );
  await recordEnd(WORKFLOW.payments);
  return { started, matched, returned, removedSources: removed };
}
