/**
 * Sends the notices of one measure's alerts to one receiver: one by one, the oldest first, each until it is accepted. A failure
 * shows under Pending Activities, with its attempts and last error.
 */
import { proxyActivities } from '@temporalio/workflow';
import type { MonitorActivities } from '../activities/monitor.ts';
import { NOTICE_ATTEMPT_MS } from '../domain/timeouts.ts';
import type { DeliverEnd, DeliverInput } from './messages.ts';

const { deliverNotice } = proxyActivities<MonitorActivities>({
  summary: 'Send the notice to the receivers of alerts',
  startToCloseTimeout: NOTICE_ATTEMPT_MS,
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '1 minute' },
});

/** Keeps the history short after a long outage. The next run of the monitor starts a delivery of the rest. */
const MOST_NOTICES = 500;

export async function deliverAlerts(line: DeliverInput): Promise<DeliverEnd> {
  let delivered = 0;
  while (delivered < MOST_NOTICES && (await deliverNotice(line))) delivered += 1;
  return { delivered };
}
