/** Sends events to a webhook once more, because its shop asks for it, or an event that says nothing but that it arrived. */
import { eventIdOf, type EventKey } from '../../domain/events.ts';
import { MOST_REDELIVERED, testEventId } from '../../domain/webhooks.ts';
import type { Database } from '../connection.ts';
import { CLOCKS_APART_MS, firstIdAt } from '../ids.ts';
import type { Fragment, Queryable } from '../postgres.ts';

/** One event of the shop, or those that were to be sent to this webhook from one instant until before another. */
export type Wanted = { event: EventKey } | { from: Date; to: Date };

export interface RedeliverRequest {
  webhookId: string;
  /** The idempotency key: no event is sent twice because of the same command. */
  commandId: string;
  wanted: Wanted;
}

export type Redeliver =
  | { outcome: 'redelivered'; events: number }
  | { outcome: 'unknown_webhook' | 'disabled' | 'unknown_event' | 'too_many' };

/**
 * Makes a delivery of each event. One that waits to be sent for the first time gets none: it is tried at once instead, and the events of
 * its order before it.
 */
export async function redeliver(
  database: Database,
  { webhookId, commandId, wanted }: RedeliverRequest,
): Promise<Redeliver> {
  const [result] = await database.run(
    ({ sql }) => sql<{ state: string; found: number }[]>`
      with
      receiver as materialized (
        select id, shop_id, state from webhook where id = ${webhookId}
      ),
      wanted as materialized (
        ${wantedOf(sql, wanted)} limit ${MOST_REDELIVERED + 1}
      ),
      event as materialized (
        select wanted.*
        from wanted join receiver on receiver.state = 'active'
        where (select count(*) from wanted) <= ${MOST_REDELIVERED}
      ),
      waiting as materialized (
        select delivery.id, delivery.event_id
        from event join webhook_delivery as delivery
          on delivery.webhook_id = ${webhookId} and delivery.order_id = event.order_id and delivery.version <= event.version
          and delivery.kind = 'event' and delivery.state = 'pending'
      ),
      free as materialized (
        -- What somebody is sending at this moment is left to them.
        select id from webhook_delivery
        where id in (select id from waiting) and due_at > now()
        for no key update skip locked
      ),
      hurried as (
        update webhook_delivery set due_at = now() from free where webhook_delivery.id = free.id
      ),
      made as (
        insert into webhook_delivery
          (id, webhook_id, shop_id, event_id, type, kind, command_id, order_id, version, sequence, due_at, created_at)
        select
          new_id(), receiver.id, receiver.shop_id, event.event_id, event.type, 'redelivery', ${commandId}, event.order_id,
          event.version, event.sequence, now(), now()
        from event cross join receiver
        where event.event_id not in (select event_id from waiting)
        order by event.sequence
        on conflict (webhook_id, event_id, command_id) do nothing
      )
      select state, (select count(*) from wanted)::integer as found from receiver
    `,
  );
  if (!result) return { outcome: 'unknown_webhook' };
  if (result.state !== 'active') return { outcome: 'disabled' };
  if (result.found > MOST_REDELIVERED) return { outcome: 'too_many' };
  if (result.found === 0 && 'event' in wanted) return { outcome: 'unknown_event' };
  return { outcome: 'redelivered', events: result.found };
}

/** A delivery's id says when it was written, by which an index finds it. */
function wantedOf(sql: Queryable, wanted: Wanted): Fragment {
  if ('event' in wanted) {
    const { orderId, version } = wanted.event;
    return sql`
      select order_id, version, sequence, type, ${eventIdOf(wanted.event)} as event_id
      from published_event
      where order_id = ${orderId} and version = ${version} and shop_id = (select shop_id from receiver)`;
  }
  const [first, last] = [Date.parse(wanted.from.toISOString()), Date.parse(wanted.to.toISOString())];
  const idAt = (time: number) => firstIdAt(new Date(Math.max(time, 0)).toISOString());
  return sql`
    select order_id, version, sequence, type, event_id
    from webhook_delivery
    where
      webhook_id = (select id from receiver) and kind = 'event'
      and id >= ${idAt(first - CLOCKS_APART_MS)} and id < ${idAt(last + CLOCKS_APART_MS)}
      and created_at >= ${wanted.from.toISOString()} and created_at < ${wanted.to.toISOString()}`;
}

export type SendTest = { outcome: 'queued' } | { outcome: 'unknown_webhook' | 'disabled' };

/** Queues a test event. The id is the delivery's, and the idempotency key. */
export async function sendTest(
  database: Database,
  { webhookId, id }: { webhookId: string; id: string },
): Promise<SendTest> {
  const [receiver] = await database.run(
    ({ sql }) => sql<{ state: string }[]>`
      with receiver as materialized (
        select id, shop_id, state from webhook where id = ${webhookId}
      ),
      made as (
        insert into webhook_delivery (id, webhook_id, shop_id, event_id, type, kind, command_id, due_at, created_at)
        select ${id}, id, shop_id, ${testEventId(id)}, 'webhook.test', 'test', ${id}, now(), now()
        from receiver
        where state = 'active'
        on conflict do nothing
      )
      select state from receiver
    `,
  );
  if (!receiver) return { outcome: 'unknown_webhook' };
  return { outcome: receiver.state === 'active' ? 'queued' : 'disabled' };
}
