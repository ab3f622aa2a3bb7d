/** How a scheduled run records that it has ended, so that the other runs notice when it stops running. */
import { ParentClosePolicy, proxyActivities, startChild } from '@temporalio/workflow';
import type { Delivery, MonitorActivities } from '../activities/monitor.ts';
import type { RunName } from '../domain/measures.ts';
import { RUN_END_ATTEMPT_MS, RUN_END_FOR_MS } from '../domain/timeouts.ts';
import { WORKFLOW, type DeliverEnd, type DeliverInput } from './messages.ts';
import { now } from './time.ts';

/** @param patienceMs what has failed by then is left to the next run. */
const activitiesFor = (patienceMs: number) =>
  proxyActivities<MonitorActivities>({
    summary: 'Record that the run has ended, and find notices that wait',
    startToCloseTimeout: RUN_END_ATTEMPT_MS,
    scheduleToCloseTimeout: patienceMs,
    retry: { initialInterval: '1s', maximumInterval: RUN_END_ATTEMPT_MS },
  });
const patient = activitiesFor(RUN_END_FOR_MS);
/** For the monitor, which must not miss its next minute. */
const hurried = activitiesFor(2 * RUN_END_ATTEMPT_MS);

/** Records the end, and opens or closes the alert about runs that do not end. Call it last. */
export async function recordEnd(run: RunName): Promise<void> {
  const activities = run === WORKFLOW.monitor ? hurried : patient;
  await activities.recordRunEnd({ run, at: now() });
  await startDeliveries(activities);
}

/** Starts a workflow for each measure and receiver that have notices which are not delivered yet. */
export async function startDeliveries({ listUndelivered } = hurried): Promise<void> {
  for (const delivery of await listUndelivered()) await startDelivery(delivery);
}

async function startDelivery({ name, receiver, workflowId }: Delivery): Promise<void> {
  try {
    await startChild<(input: DeliverInput) => Promise<DeliverEnd>>(WORKFLOW.deliverAlerts, {
      workflowId,
      args: [{ name, receiver }],
      parentClosePolicy: ParentClosePolicy.ABANDON,
      staticSummary: `Sends the notices about ${name} to the receiver of alerts, ${receiver}`,
    });
  } catch (error) {
    // The workflow that is running delivers this notice, too; if it is about to end, the next run of the monitor starts another.
    if (!(error instanceof Error && error.name === 'WorkflowExecutionAlreadyStartedError')) throw error;
  }
}
