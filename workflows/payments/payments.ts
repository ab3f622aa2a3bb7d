/**
 * Finds payments that are not settled and whose workflow does not run, and ends notifications that wait. Runs on a schedule, for what was not
 * woken: a process was killed between recording and waking, or a workflow was terminated.
 */
import { continueAsNew, proxyActivities, setCurrentDetails, workflowInfo } from '@temporalio/workflow';
import type { EndedSome, UnmatchedActivities } from '../../activities/payments/unmatched.ts';
import type { StartedSome, WakingPaymentsActivities } from '../../activities/payments/wake.ts';
import { PAYMENTS_PART_MS, SILENT_FOR_MS } from '../../domain/timeouts.ts';
import { payingQueueOf } from '../../domain/workflow-ids.ts';
import { WORKFLOW, type PaymentsEnd, type PaymentsInput } from '../messages.ts';
import { recordEnd } from '../run-end.ts';
import { now } from '../time.ts';

const retry = { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '30s' } as const;
const { startPayments, removeSources } = proxyActivities<WakingPaymentsActivities>({
  startToCloseTimeout: '1 minute',
  retry,
});

/**
 * A list may be longer than its time, or full of what cannot move. The next run then goes on where this one was: neither list hides its
 * newest entries, nor makes the other wait.
 */
export async function payments(
  from: PaymentsInput = { payments: null, notifications: null },
): Promise<PaymentsEnd> {
  const started = await startPages(from.payments);
  const ended = await endPages(from.notifications);
  const { removed } = await removeSources.executeWithOptions({ summary: 'Remove what buyers paid with' }, [
    { at: now() },
  ]);
  setCurrentDetails(
    `${started.started} payments were not settled. ${ended.matched} notifications were about payments that are known; the money of ` +
      `${ended.returned} payments that are unknown here was given back, and for ${ended.unknown} the provider gave no answer.`,
  );
  await recordEnd(WORKFLOW.payments);
  if (started.next !== null || ended.next !== null)
    await continueAsNew<typeof payments>({ payments: started.next, notifications: ended.next });
  return {
    started: started.started,
    matched: ended.matched,
    returned: ended.returned,
    removedSources: removed,
  };
}

async function startPages(after: StartedSome['next']): Promise<StartedSome> {
  const until = Date.now() + PAYMENTS_PART_MS;
  const all: StartedSome = { started: 0, next: after };
  do {
    const page: StartedSome = await startPayments.executeWithOptions(
      { summary: 'Start payments that nobody woke' },
      [{ at: now(), after: all.next }],
    );
    all.started += page.started;
    all.next = page.next;
  } while (all.next !== null && Date.now() < until);
  return all;
}

async function endPages(after: EndedSome['next']): Promise<EndedSome> {
  const { endNotifications } = proxyActivities<UnmatchedActivities>({
    taskQueue: payingQueueOf(workflowInfo().taskQueue),
    summary: 'Find what notifications are about, and give back what nobody asked for',
    startToCloseTimeout: '10 minutes',
    heartbeatTimeout: SILENT_FOR_MS,
    retry,
  });
  const until = Date.now() + PAYMENTS_PART_MS;
  const all: EndedSome = { matched: 0, returned: 0, unknown: 0, next: after };
  do {
    const page: EndedSome = await endNotifications({ at: now(), after: all.next });
    all.matched += page.matched;
    all.returned += page.returned;
    all.unknown += page.unknown;
    all.next = page.next;
  } while (all.next !== null && Date.now() < until);
  return all;
}
