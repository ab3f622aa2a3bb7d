/**
 * Wakes what sends to each webhook that has something due. Runs on a schedule, for what nobody woke: a worker was killed between publishing
 * and waking, or a workflow was terminated.
 */
import { proxyActivities, setCurrentDetails } from '@temporalio/workflow';
import type { WakingActivities, WokenSome } from '../activities/webhooks/wake.ts';
import { WORKFLOW, type WebhooksEnd } from './messages.ts';
import { recordEnd } from './run-end.ts';
import { now } from './time.ts';

const { wakeWebhooks } = proxyActivities<WakingActivities>({
  summary: 'Wake the webhooks that have something due',
  startToCloseTimeout: '1 minute',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '30s' },
});

export async function webhooks(): Promise<WebhooksEnd> {
  let woken = 0;
  let after: string | null = null;
  do {
    const page: WokenSome = await wakeWebhooks({ at: now(), after });
    woken += page.woken;
    after = page.next;
    setCurrentDetails(`${woken} webhooks had something due.`);
  } while (after !== null);
  await recordEnd(WORKFLOW.webhooks);
  return { woken };
}
