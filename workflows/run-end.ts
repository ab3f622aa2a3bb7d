/** How a run that a schedule starts says that it has ended, so that another run notices when none does any more. */
import { ParentClosePolicy, proxyActivities, startChild } from '@temporalio/workflow';
import type { Delivery, MonitorActivities } from '../activities/monitor.ts';
import type { RunName } from '../domain/measures.ts';
import { WORKFLOW, type DeliverEnd, type DeliverInput } from './messages.ts';

// What fails by then is the next run's.
const { listUndelivered } = proxyActivities<MonitorActivities>({
  startToCloseTimeout: '5 seconds',
  scheduleToCloseTimeout: '10 seconds',
  retry: { initialInterval: '1s' },
});
// Three queries.
const { recordRunEnd } = proxyActivities<MonitorActivities>({
  startToCloseTimeout: '10 seconds',
  scheduleToCloseTimeout: '20 seconds',
  retry: { initialInterval: '1s' },
});

/** Records the end, and opens or closes the alert about runs that do not end. To be called last. */
export async function recordEnd(run: RunName): Promise<void> {
  await recordRunEnd({ run, at: new Date().toISOString() });
  await startDeliveries();
}

/** Sees to it that whoever receives alerts is sent what became of them. */
export async function startDeliveries(): Promise<void> {
  for (const delivery of await listUndelivered()) await startDelivery(delivery);
}

async function startDelivery({ name, workflowId }: Delivery): Promise<void> {
  try {
    await startChild<(input: DeliverInput) => Promise<DeliverEnd>>(WORKFLOW.deliverAlerts, {
      workflowId,
      args: [{ name }],
      parentClosePolicy: ParentClosePolicy.ABANDON,
      staticSummary: `Tells the receiver of alerts about ${name}`,
    });
  } catch (error) {
    // The one that runs delivers this notice, too; should it be about to end, the next run of the monitor starts another.
    if (!(error instanceof Error && error.name === 'WorkflowExecutionAlreadyStartedError')) throw error;
  }
}
