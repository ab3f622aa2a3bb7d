/** Which events are to be sent to a webhook now, and who sends them. */
import { eventIdOf, type PublishedEvent } from '../../domain/events.ts';
import type { DeliveryKind, TestEvent, WebhookState } from '../../domain/webhooks.ts';
import type { Database } from '../connection.ts';
import { findPublished } from '../events/read.ts';
import type { Queryable } from '../postgres.ts';

/** What a receiver is, and how it has answered so far. */
export interface Receiver {
  id: string;
  shopId: string;
  url: string;
  state: WebhookState;
  /** The first failure since the last success; null while it works. */
  failingSince: Date | null;
  /** Failures since the last success. */
  failures: number;
  /** While it seems to be down as a whole: when one event is tried again. */
  retryAt: Date | null;
  /** Events that were tried in vain and wait, each of another order; counted up to {@link MOST_TRIED_COUNTED}. */
  tried: number;
}

const MOST_TRIED_COUNTED = 10;

/** A secret that signs now, encrypted. The newest comes first. */
export interface SigningSecret {
  id: string;
  sealed: Buffer;
  /** The name of the key that it is encrypted with. */
  sealingKey: string;
}

export interface DueDelivery extends Claimed {
  /** What is sent. Null when the event is no longer kept. */
  event: PublishedEvent | TestEvent | null;
}

interface Claimed {
  id: string;
  kind: DeliveryKind;
  eventId: string;
  /** Null for a test, as is the version. */
  orderId: string | null;
  version: number | null;
  /** Of this attempt, from 1. */
  number: number;
  /** Of the first attempt since it was made, or since its webhook was switched on again: this one, or an earlier one. */
  triedSince: Date;
  createdAt: Date;
}

export interface Due {
  receiver: Receiver;
  secrets: readonly SigningSecret[];
  /** In the order in which they became due. */
  deliveries: readonly DueDelivery[];
}

export interface ClaimRequest {
  webhookId: string;
  /** Now, by the time of what sends. */
  at: string;
  /** At most so many; one, while the receiver seems to be down as a whole. */
  limit: number;
  /** Milliseconds after which somebody else may try when nothing was recorded. */
  lease: number;
}

/**
 * Takes what is due: another claim gets none of it until its lease ends. Of each order only the first that waits can be due, so that
 * nothing of an order is sent before what happened earlier was delivered or given up. Redeliveries keep that order among themselves.
 *
 * Undefined when there is no such webhook.
 */
export async function claimDue(database: Database, request: ClaimRequest): Promise<Due | undefined> {
  const due = await database.transaction(async (sql) => {
    const [receiver] = await sql<Receiver[]>`
      select
        id, shop_id as "shopId", url, state, failing_since as "failingSince", failures, retry_at as "retryAt",
        (
          select count(*)::integer
          from (
            select from webhook_delivery
            where webhook_id = webhook.id and state = 'pending' and first_attempt_at is not null and kind = 'event'
            limit ${MOST_TRIED_COUNTED}
          ) as tried
        ) as tried
      from webhook
      where id = ${request.webhookId}
    `;
    if (receiver === undefined) return undefined;
    const { webhookId } = request;
    const deliveries = receiver.state === 'active' ? await takeFor(sql, receiver, request) : [];
    if (deliveries.length === 0) return { receiver, secrets: [], deliveries };
    const secrets = await sql<SigningSecret[]>`
      select id, sealed, sealing_key as "sealingKey"
      from webhook_secret
      where webhook_id = ${webhookId} and (expires_at is null or expires_at > now())
      order by created_at desc, id desc
    `;
    return { receiver, secrets, deliveries };
  });
  return due && { ...due, deliveries: await withEvents(database, due.receiver, due.deliveries) };
}

async function withEvents(
  database: Database,
  { id: webhookId, shopId }: Receiver,
  claimed: readonly Claimed[],
): Promise<DueDelivery[]> {
  const keys = claimed.flatMap(({ orderId, version }) =>
    orderId === null || version === null ? [] : [{ orderId, version }],
  );
  const published = new Map(
    (await findPublished(database, keys)).map((event) => [eventIdOf(event.data), event]),
  );
  return claimed.map((delivery): DueDelivery => {
    const { kind, eventId, createdAt } = delivery;
    const event =
      kind === 'test'
        ? ({
            id: eventId,
            type: 'webhook.test',
            sequence: null,
            shopId,
            at: createdAt.toISOString(),
            data: { webhookId },
          } as const)
        : (published.get(eventId) ?? null);
    return { ...delivery, event };
  });
}

/** Of a receiver that seems to be down as a whole, one event when it is tried again, and in the meantime tests. */
async function takeFor(sql: Queryable, { retryAt }: Receiver, request: ClaimRequest): Promise<Claimed[]> {
  if (retryAt === null) return take(sql, request, 'due');
  const tests = await take(sql, request, 'test');
  if (retryAt > new Date(request.at)) return tests;
  const probe = await take(sql, { ...request, limit: 1 }, 'event');
  // When no event is left, nothing could end the rest.
  return [...tests, ...(probe.length > 0 ? probe : await take(sql, request, 'due'))];
}

/** @param what `event`: the one that is due first, even if that is later. */
const take = (
  sql: Queryable,
  { webhookId, at, limit, lease }: ClaimRequest,
  what: 'due' | 'test' | 'event',
) => sql<Claimed[]>`
  -- What is due, and waits for nothing earlier? An end is never taken back, so what the snapshot shows as ended is; and what somebody else
  -- claims at this moment is passed over, or judged again as they left it.
  with due as materialized (
    select id from webhook_delivery as delivery
    where
      webhook_id = ${webhookId} and state = 'pending' ${
        what === 'due'
          ? sql`and due_at <= ${at}`
          : what === 'test'
            ? // A test is of no order, by which an index finds it among all that waits.
              sql`and due_at <= ${at} and kind = 'test' and order_id is null`
            : sql`and kind = 'event'`
      }
      and not exists (${earlierThan(sql)})
      and shop_id = (select shop_id from webhook where id = ${webhookId})
    order by due_at, id
    limit ${limit}
    for no key update skip locked
  ),
  claimed as (
    update webhook_delivery
    set
      attempts = attempts + 1,
      first_attempt_at = coalesce(first_attempt_at, ${at}),
      due_at = ${at}::timestamptz + ${lease}::float8 * interval '1 millisecond'
    from due
    where webhook_delivery.id = due.id
    returning webhook_delivery.*
  )
  select
    id, kind, event_id as "eventId", order_id as "orderId", version, attempts as number,
    first_attempt_at as "triedSince", created_at as "createdAt"
  from claimed
  order by sequence, id
`;

/** What must end before `delivery` can be sent. */
const earlierThan = (sql: Queryable) => sql`
  select from webhook_delivery as earlier
  where
    earlier.webhook_id = delivery.webhook_id and earlier.order_id = delivery.order_id and earlier.kind = delivery.kind
    and earlier.version <= delivery.version and earlier.state = 'pending'
    and (earlier.version, earlier.id) < (delivery.version, delivery.id)
  -- Looked up for each, until there are enough: joined, all that waits would be read.
  offset 0
`;

/** When something can be sent to a webhook next; null when nothing waits, or nothing may be sent. */
export async function nextDue(database: Database, webhookId: string): Promise<Date | null> {
  const [next] = await database.run(
    ({ sql }) => sql<{ at: Date }[]>`
      -- When is the first due that waits for nothing earlier? While the receiver seems to be down, when it is tried again.
      select coalesce(webhook.retry_at, delivery.due_at) as at
      from
        webhook
        cross join lateral (
          select due_at from webhook_delivery as delivery
          where webhook_id = webhook.id and state = 'pending' and not exists (${earlierThan(sql)})
          order by due_at
          limit 1
        ) as delivery
      where webhook.id = ${webhookId} and webhook.state = 'active'
    `,
  );
  return next?.at ?? null;
}

/** Webhooks to which something can be sent, after `after` by their ids: for starting what sends when it does not run. */
export async function listWebhooksDue(
  database: Database,
  { at, after, limit }: { at: string; after?: string | undefined; limit: number },
): Promise<string[]> {
  const due = await database.run(
    ({ sql }) => sql<{ id: string }[]>`
      select id
      from
        webhook
        -- Webhook by webhook, what is due first: not all that waits anywhere.
        cross join lateral (
          select due_at from webhook_delivery
          where webhook_id = webhook.id and webhook_delivery.state = 'pending'
          order by due_at
          limit 1
        ) as first
      where
        state = 'active' and (retry_at is null or retry_at <= ${at}) and (retry_at is not null or first.due_at <= ${at})
        ${after === undefined ? sql`` : sql`and id > ${after}`}
      order by id
      limit ${limit}
    `,
  );
  return due.map(({ id }) => id);
}

/** Those of the shops of these events that are sent to: for waking what sends. One that rests is not woken: it wakes itself. */
export async function listWebhooksOf(
  database: Database,
  events: readonly { shopId: string; type: string }[],
): Promise<string[]> {
  if (events.length === 0) return [];
  const wanted = JSON.stringify(events.map(({ shopId, type }) => ({ shopId, type })));
  const found = await database.run(
    ({ sql }) => sql<{ id: string }[]>`
      select distinct webhook.id
      from
        json_to_recordset(${wanted}::json) as event ("shopId" text, type text)
        join webhook
          on webhook.shop_id = "shopId" and webhook.state = 'active' and webhook.retry_at is null
          and (webhook.types is null or event.type = any (string_to_array(webhook.types, ' ')))
    `,
  );
  return found.map(({ id }) => id);
}
