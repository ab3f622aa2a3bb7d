/** What waits at a webhook, for operators who look at it: see workflows/webhook-details.ts. */
import type { DisabledReason, WebhookState } from '../../domain/webhooks.ts';
import type { Database } from '../connection.ts';

export interface Backlog {
  shopId: string;
  url: string;
  state: WebhookState;
  disabledReason: DisabledReason | null;
  /** Counted up to {@link MOST_COUNTED}. */
  waiting: number;
  /** When the one that waits the longest was written; null when none waits. */
  waitingSince: Date | null;
  failingSince: Date | null;
  /** While it seems to be down as a whole: when one event is tried again. */
  retryAt: Date | null;
}

/** Enough to say that many wait, and few enough to count them after every round. */
export const MOST_COUNTED = 1_000;

/** Undefined when there is no such webhook. */
export async function readBacklog(database: Database, webhookId: string): Promise<Backlog | undefined> {
  const [backlog] = await database.run(
    ({ sql }) => sql<Backlog[]>`
      -- How many wait for this webhook, since when, and for what?
      select
        shop_id as "shopId", url, state, disabled_reason as "disabledReason", waiting.count as waiting, waiting.since as "waitingSince",
        failing_since as "failingSince", retry_at as "retryAt"
      from
        webhook
        cross join lateral (
          select count(*)::integer as count, min(created_at) as since
          from (
            select created_at from webhook_delivery
            where webhook_id = webhook.id and state = 'pending'
            order by due_at
            limit ${MOST_COUNTED}
          ) as first
        ) as waiting
      where id = ${webhookId}
    `,
  );
  return backlog;
}
