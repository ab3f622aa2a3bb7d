/**
 * The monitor: measures what a shop is run by, opens and closes alerts, and sees to it that they are told. Runs on a schedule.
 * Telling is left to workflows of its own, so that a receiver that is down holds up neither this nor the next run.
 */
import { ParentClosePolicy, proxyActivities, setCurrentDetails, startChild } from '@temporalio/workflow';
import type { Delivery, MonitorActivities } from '../activities/monitor.ts';
import { WORKFLOW, type DeliverEnd, type DeliverInput, type MonitorEnd } from './contract.ts';

// Together less than a minute: what could not be measured by then is the next run's, and this one fails.
const { measure } = proxyActivities<MonitorActivities>({
  startToCloseTimeout: '30 seconds',
  scheduleToCloseTimeout: '45 seconds',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '10s' },
});
const { listUndelivered } = proxyActivities<MonitorActivities>({
  startToCloseTimeout: '5 seconds',
  scheduleToCloseTimeout: '10 seconds',
  retry: { initialInterval: '1s' },
});

export async function monitor(): Promise<MonitorEnd> {
  // Not the run's start, which lies long back when no worker was there.
  const at = new Date().toISOString();
  try {
    const end = await measure({ at });
    setCurrentDetails(inWords(end));
    return end;
  } finally {
    // Also when something could not be measured: what was, may have opened an alert.
    for (const delivery of await listUndelivered()) await startDelivery(delivery);
  }
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

const inWords = ({ measured, crossed }: MonitorEnd): string =>
  `${measured} measured. ${crossed.length === 0 ? 'No threshold is crossed' : `Crossed: ${crossed.join(', ')}`}.`;
