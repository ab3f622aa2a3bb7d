/** Finds the webhooks that have something due, and wakes what sends to them: for when nobody else did. */
import type { Database } from '../../db/connection.ts';
import { listWebhooksDue } from '../../db/webhooks/claim.ts';
import { toActivityFailure } from '../errors.ts';

export interface WokenSome {
  woken: number;
  /** The id after which the next page begins; null after the last. */
  next: string | null;
}

export interface WakingActivities {
  /** Wakes a page of webhooks that have something due at this time. */
  wakeWebhooks: (page: { at: string; after: string | null }) => Promise<WokenSome>;
}

const PAGE = 100;

/** @param wake starts the workflow of a webhook, unless it runs, and says that something is due. */
export function createWakingActivities(
  database: Database,
  wake: (webhookId: string) => Promise<void>,
): WakingActivities {
  return {
    async wakeWebhooks({ at, after }) {
      const page = { at, after: after ?? undefined, limit: PAGE };
      const due = await toActivityFailure('the list of webhooks', listWebhooksDue(database, page));
      for (const webhookId of due) await wake(webhookId);
      return { woken: due.length, next: due.length < PAGE ? null : (due.at(-1) ?? null) };
    },
  };
}
