/**
 * The shop's figures: adds to them what was recorded since the last time. Runs on a schedule; two runs at once count nothing
 * twice, and one that is killed loses nothing.
 */
import { patched, proxyActivities, setCurrentDetails } from '@temporalio/workflow';
import type { StatsActivities } from '../activities/stats.ts';
import { WORKFLOW, type StatsEnd } from './messages.ts';
import { recordEnd } from './run-end.ts';

const { countEvents } = proxyActivities<StatsActivities>({
  startToCloseTimeout: '1 minute',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '30s' },
});

export async function stats(): Promise<StatsEnd> {
  // Asked for before anything else, as it has to be; see docs/decisions/0029.
  const isWatched = patched('watched');
  let counted = 0;
  for (;;) {
    const some = await countEvents();
    counted += some.counted;
    setCurrentDetails(`${counted} events were counted.`);
    if (!some.isDone) continue;
    if (isWatched) await recordEnd(WORKFLOW.stats);
    return { counted };
  }
}
