/**
 * Adds the events since the last run to the shop's figures. Runs on a schedule; two runs at once count nothing twice, and a run that
 * is killed loses nothing.
 */
import { patched, proxyActivities, setCurrentDetails } from '@temporalio/workflow';
import type { StatsActivities } from '../activities/stats.ts';
import { WORKFLOW, type StatsEnd } from './messages.ts';
import { recordEnd } from './run-end.ts';

const { countEvents } = proxyActivities<StatsActivities>({
  summary: 'Add to the figures what was recorded since',
  startToCloseTimeout: '1 minute',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '30s' },
});

export async function stats(): Promise<StatsEnd> {
  // Must come before anything else; see docs/decisions/0029.
  const isWatched = patched('watched');
  let counted = 0;
  for (;;) {
    const some = await countEvents();
    counted += some.counted;
    setCurrentDetails(`${counted} events counted.`);
    if (!some.isDone) continue;
    if (isWatched) await recordEnd(WORKFLOW.stats);
    return { counted };
  }
}
