/**
 * Sends the events of a shop to one of its webhooks: all that is due, then sleeps until the next one is, or until somebody says that there
 * is news. What is due, and its outcome, is in the database: a run that is terminated loses nothing.
 */
import {
  condition,
  continueAsNew,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { SendResult, SendingActivities } from '../activities/webhooks/activities.ts';
import { SENDER_SILENT_FOR_MS, SENDING_ATTEMPT_MS } from '../domain/timeouts.ts';
import { newsSignal, type DeliverWebhookEnd, type DeliverWebhookInput } from './messages.ts';
import { now } from './time.ts';
import { describeWebhook } from './webhook-details.ts';

/** How long it stays when nothing waits: while a shop sells, one workflow sends many events. */
const IDLE_MS = 10 * 60_000;
/** A sleep is no longer, so that nothing depends on one timer. */
const LONGEST_SLEEP_MS = 3_600_000;
/** A history of this many events replays in a moment. */
const LONGEST_HISTORY = 1_000;

export async function deliverWebhook(input: DeliverWebhookInput): Promise<DeliverWebhookEnd> {
  let hasNews = true;
  setHandler(newsSignal, () => {
    hasNews = true;
  });
  const { sendDue } = proxyActivities<SendingActivities>({
    taskQueue: input.sendingQueue,
    summary: 'Send what is due',
    startToCloseTimeout: SENDING_ATTEMPT_MS,
    heartbeatTimeout: SENDER_SILENT_FOR_MS,
    retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '30s' },
  });
  const { webhookId } = input;
  let { lastFailure } = input;
  let delivered = 0;
  for (;;) {
    hasNews = false;
    const result: SendResult = await sendDue({ webhookId, at: now() });
    delivered += result.delivered;
    lastFailure = result.lastFailure ?? lastFailure;
    setCurrentDetails(describeWebhook(result, lastFailure));
    if (result.webhook === null) return { delivered };
    if (workflowInfo().historyLength > LONGEST_HISTORY)
      await continueAsNew<typeof deliverWebhook>({ ...input, ...(lastFailure && { lastFailure }) });
    const wasWoken = await condition(() => hasNews, sleepUntil(result.nextAt));
    if (!wasWoken && result.nextAt === null) return { delivered };
  }
}

/** Milliseconds, at least one: a sleep of none would last forever. */
function sleepUntil(nextAt: string | null): number {
  if (nextAt === null) return IDLE_MS;
  return Math.min(Math.max(Date.parse(nextAt) - Date.now(), 1), LONGEST_SLEEP_MS);
}
