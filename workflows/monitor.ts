/**
 * The monitor: measures what a shop is run by, opens and closes alerts, and sees to it that they are told. Runs on a schedule.
 * Telling is left to workflows of its own, so that a receiver that is down holds up neither this nor the next run.
 */
import { patched, proxyActivities, setCurrentDetails } from '@temporalio/workflow';
import type { MonitorActivities } from '../activities/monitor.ts';
import type { MonitorEnd } from '../domain/measures.ts';
import { WORKFLOW } from './messages.ts';
import { recordEnd, startDeliveries } from './run-end.ts';

// Together less than a minute: what could not be measured by then is the next run's, and this one fails.
const { measure } = proxyActivities<MonitorActivities>({
  startToCloseTimeout: '30 seconds',
  scheduleToCloseTimeout: '45 seconds',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '10s' },
});

export async function monitor(): Promise<MonitorEnd> {
  // Asked for before anything else, as it has to be; see docs/decisions/0029.
  const isWatched = patched('watched');
  // Not the run's start, which lies long back when no worker was there.
  const at = new Date().toISOString();
  let end: MonitorEnd;
  try {
    end = await measure({ at });
    setCurrentDetails(inWords(end));
  } catch (error) {
    // Also when something could not be measured: what was, may have opened an alert.
    await startDeliveries();
    throw error;
  }
  if (isWatched) await recordEnd(WORKFLOW.monitor);
  else await startDeliveries();
  return end;
}

const inWords = ({ measured, crossed }: MonitorEnd): string =>
  `${measured} measured. ${crossed.length === 0 ? 'No threshold is crossed' : `Crossed: ${crossed.join(', ')}`}.`;
