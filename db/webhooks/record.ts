/** Records the outcome of attempts to send, and what that says of the receiver. */
import type { AttemptFailure } from '../../domain/webhook-attempts.ts';
import type { DisabledReason } from '../../domain/webhooks.ts';
import type { Database } from '../connection.ts';

export interface Attempt {
  deliveryId: string;
  /** As the claim says. */
  number: number;
  at: string;
  durationMs: number;
  /** Of the answer; null when there was none. */
  status: number | null;
  /** Null when the receiver took the event. */
  failure: AttemptFailure | null;
  /** The code of a failed connection; null for the rest. */
  cause: string | null;
  /** What follows: nothing more, or another attempt at a time. */
  next: 'delivered' | 'given_up' | { dueAt: string };
}

export interface RecordRequest {
  webhookId: string;
  /** Now, by the time of what sends. */
  at: string;
  attempts: readonly Attempt[];
  /** Until when the receiver rests, because it seems to be down as a whole; null when it does not. A success ends that anyway. */
  retryAt: string | null;
}

export interface Health {
  failingSince: Date | null;
  failures: number;
}

/**
 * Records attempts. Only what is sent because it happened says something of the receiver: a redelivery or a test neither heals nor
 * harms. An attempt that is recorded twice counts once.
 *
 * What waits for an event that is tried again later becomes due with it, so that nobody looks at it before that.
 */
export async function recordAttempts(
  database: Database,
  { webhookId, at, attempts, retryAt }: RecordRequest,
): Promise<Health | undefined> {
  const rows = attempts.map(({ next, ...attempt }) => ({
    ...attempt,
    state: typeof next === 'string' ? next : 'pending',
    dueAt: typeof next === 'string' ? at : next.dueAt,
  }));
  const [health] = await database.run(
    ({ sql }) => sql<Health[]>`
      with
      attempt as materialized (
        select * from json_to_recordset(${JSON.stringify(rows)}::json) as attempt (
          "deliveryId" uuid, number integer, at timestamptz, "durationMs" integer, status integer, failure text,
          cause text, state text,
          "dueAt" timestamptz
        )
      ),
      -- In key order, so that two of these never wait for each other.
      tried as materialized (
        select webhook_delivery.*
        from webhook_delivery
        -- An array makes it a look-up for each, and not a join with all deliveries there ever were.
        where id = any (array(select "deliveryId" from attempt)) and webhook_id = ${webhookId}
        order by id
        for no key update
      ),
      recorded as (
        insert into webhook_attempt (delivery_id, number, shop_id, at, duration_ms, status, failure, cause)
        select "deliveryId", number, shop_id, at, "durationMs", attempt.status, failure, cause
        from attempt join tried on tried.id = "deliveryId"
        on conflict do nothing
        returning delivery_id, number
      ),
      -- A late word of an earlier attempt counts when it arrived after all; otherwise somebody else is trying by now.
      decided as (
        select tried.id, tried.order_id, tried.kind, tried.version, attempt.state, "dueAt" as due_at
        from attempt join tried on tried.id = "deliveryId"
        where tried.state = 'pending' and (attempt.state = 'delivered' or attempt.number = tried.attempts)
      ),
      ended_or_retried as (
        update webhook_delivery
        set
          state = decided.state,
          due_at = decided.due_at,
          ended_at = case when decided.state <> 'pending' then ${at}::timestamptz end
        from decided
        where webhook_delivery.id = decided.id
      ),
      -- Those behind them. One that was published a moment ago may be missing here, which costs somebody a look and nothing else.
      following as materialized (
        select waiting.id, decided.due_at
        from decided join webhook_delivery as waiting
          on waiting.webhook_id = ${webhookId} and waiting.order_id = decided.order_id and waiting.kind = decided.kind
          and waiting.version > decided.version and waiting.state = 'pending'
        where waiting.due_at is distinct from decided.due_at
          and waiting.id not in (select id from decided)
        order by waiting.id
        for no key update of waiting skip locked
      ),
      moved as (
        update webhook_delivery set due_at = following.due_at
        from following
        where webhook_delivery.id = following.id
      ),
      -- Of attempts that were not recorded before.
      outcome as (
        select
          coalesce(bool_or(attempt.state = 'delivered'), false) as works,
          (count(*) filter (where attempt.state <> 'delivered'))::integer as failed
        from attempt
        join recorded on recorded.delivery_id = "deliveryId" and recorded.number = attempt.number
        join tried on tried.id = "deliveryId" and tried.kind = 'event'
      ),
      -- A receiver that was down as a whole is back: what was tried in vain, and what waits behind that, is due now.
      back as materialized (
        select waiting.id
        from webhook_delivery as waiting
        where
          webhook_id = ${webhookId} and state = 'pending' and due_at > ${at}
          and (select works from outcome) and (select retry_at is not null from webhook where id = ${webhookId})
          and waiting.id not in (select "deliveryId" from attempt)
        order by waiting.id
        for no key update skip locked
      ),
      resumed as (
        update webhook_delivery set due_at = ${at} from back where webhook_delivery.id = back.id
      ),
      changed as (
        update webhook
        set
          failures = case when works then 0 else failures + failed end,
          failing_since = case when works then null when failed > 0 then coalesce(failing_since, ${at}::timestamptz) else failing_since end,
          retry_at = case when works then null when failed > 0 then ${retryAt}::timestamptz else retry_at end
        from outcome
        where id = ${webhookId} and (works or failed > 0)
        returning webhook.id, failing_since, failures
      )
      select
        (case when changed.id is null then webhook.failing_since else changed.failing_since end) as "failingSince",
        coalesce(changed.failures, webhook.failures) as failures
      from webhook left join changed on changed.id = webhook.id
      where webhook.id = ${webhookId}
    `,
  );
  return health;
}

/** Stops sending to a webhook that is active. What is to be sent goes on waiting. Returns whether it was active. */
export async function disableWebhook(
  database: Database,
  { webhookId, reason }: { webhookId: string; reason: Exclude<DisabledReason, 'owner'> },
): Promise<boolean> {
  const { count } = await database.run(
    ({ sql }) => sql`
      update webhook set state = 'disabled', disabled_reason = ${reason}, version = version + 1, updated_at = now()
      where id = ${webhookId} and state = 'active'
    `,
  );
  return count > 0;
}
