/**
 * Tells the receiver of alerts what became of one measure: notice by notice, the oldest first, each until it is taken. What
 * fails shows under Pending Activities, with its attempts and last error.
 */
import { proxyActivities } from '@temporalio/workflow';
import type { MonitorActivities } from '../activities/monitor.ts';
import type { DeliverEnd, DeliverInput } from './messages.ts';

const { deliverNotice } = proxyActivities<MonitorActivities>({
  // Longer than the receiver is given and PostgreSQL takes, so that an attempt ends before the next one begins.
  startToCloseTimeout: '20 seconds',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '1 minute' },
});

/** Keeps the history short after a long outage. The next run of the monitor starts a delivery of the rest. */
const NOTICES_AT_MOST = 500;

export async function deliverAlerts({ name }: DeliverInput): Promise<DeliverEnd> {
  let delivered = 0;
  while (delivered < NOTICES_AT_MOST && (await deliverNotice({ name }))) delivered += 1;
  return { delivered };
}
