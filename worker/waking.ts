/** Wakes what sends to webhooks when something was published. What it misses, the schedule finds within a minute. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { wakeWebhook } from '../client/webhooks.ts';
import type { Database } from '../db/connection.ts';
import type { JustPublished } from '../db/events/publish.ts';
import { listWebhooksOf } from '../db/webhooks/claim.ts';

export interface Waking {
  taskQueue: string;
  /** Gets the first error of those that follow each other without a success between them. */
  report: (error: unknown) => void;
}

/** Longer than Temporal takes when it answers at all. */
const DEADLINE_MS = 5_000;
/** News that come within this time wake a webhook once. */
const PAUSE_MS = 200;
/** What comes on top of these while Temporal is away is left to the schedule. */
const MOST_WAITING = 10_000;

/** Takes what was published, and never keeps anybody waiting: publishing goes on while Temporal is away. */
export function wakeOnPublished(
  database: Database,
  client: Client,
  { taskQueue, report }: Waking,
): (published: readonly JustPublished[]) => void {
  let waiting: JustPublished[] = [];
  let isWaking = false;
  let isFailing = false;

  async function wakeAll(): Promise<void> {
    while (waiting.length > 0) {
      const published = waiting;
      waiting = [];
      try {
        const webhooks = await listWebhooksOf(database, published);
        await client.withDeadline(Date.now() + DEADLINE_MS, () =>
          Promise.all(webhooks.map((webhookId) => wakeWebhook(client, taskQueue, webhookId))),
        );
        isFailing = false;
      } catch (error) {
        if (!isFailing) report(error);
        isFailing = true;
      }
      await delay(PAUSE_MS, undefined, { ref: false });
    }
  }

  return (published) => {
    if (waiting.length < MOST_WAITING) waiting.push(...published);
    if (isWaking) return;
    isWaking = true;
    void wakeAll().finally(() => {
      isWaking = false;
    });
  };
}
