/**
 * The monitor: takes the measures that a shop is run by, opens and closes alerts, and has their notices delivered. Runs on a schedule.
 * Deliveries are workflows of their own, so that a receiver that is down delays neither this run nor the next.
 */
import { patched, proxyActivities, setCurrentDetails } from '@temporalio/workflow';
import type { MonitorActivities } from '../activities/monitor.ts';
import type { MonitorEnd } from '../domain/measures.ts';
import { WORKFLOW } from './messages.ts';
import { recordEnd, startDeliveries } from './run-end.ts';
import { now } from './time.ts';

// Together less than a minute: what could not be measured by then is left to the next run, and this run fails.
const { measure } = proxyActivities<MonitorActivities>({
  summary: 'Take every measure, and open or close alerts',
  startToCloseTimeout: '30 seconds',
  scheduleToCloseTimeout: '45 seconds',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '10s' },
});

export async function monitor(): Promise<MonitorEnd> {
  // Must come before anything else; see docs/decisions/0029.
  const isWatched = patched('watched');
  // Not the run's start, which is long ago if no worker was running.
  const at = now();
  let end: MonitorEnd;
  try {
    end = await measure({ at });
    setCurrentDetails(describeEnd(end));
  } catch (error) {
    // Even when something could not be measured: the rest may have opened an alert.
    await startDeliveries();
    throw error;
  }
  if (isWatched) await recordEnd(WORKFLOW.monitor);
  else await startDeliveries();
  return end;
}

const describeEnd = ({ measured, crossed }: MonitorEnd): string =>
  `${measured} measured. ${crossed.length === 0 ? 'No threshold is crossed' : `Crossed: ${crossed.join(', ')}`}.`;
