/**
 * Removes what is kept only for some time: idempotency keys whose answer nobody will ask for again. Runs on a schedule; two runs at once
 * do nothing twice, and what a run that is killed leaves behind is left to the next one.
 */
import { proxyActivities, setCurrentDetails } from '@temporalio/workflow';
import type { RemovedSome, RetentionActivities } from '../activities/retention.ts';
import { WORKFLOW, type RetentionEnd } from './messages.ts';
import { recordEnd } from './run-end.ts';

const { removeKeys } = proxyActivities<RetentionActivities>({
  startToCloseTimeout: '1 minute',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '30s' },
});

export async function retention(): Promise<RetentionEnd> {
  let removedKeys = 0;
  let after: RemovedSome['next'] = null;
  for (;;) {
    const { removed, keptFor, next }: RemovedSome = await removeKeys({ after });
    removedKeys += removed;
    setCurrentDetails(`${removedKeys} idempotency keys removed. They are kept for ${inDays(keptFor)} days.`);
    if (next === null) break;
    after = next;
  }
  await recordEnd(WORKFLOW.retention);
  return { removedKeys };
}

const DAY_MS = 86_400_000;
const inDays = (ms: number): number => Math.round((10 * ms) / DAY_MS) / 10;
