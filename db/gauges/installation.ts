/** Reads what waits, what needs a person and what the monitor measured, for the metrics of the installation. */
import type { Database } from '../database.ts';
import { MOST_COUNTED } from '../webhooks/backlog.ts';

/** The value of one series. */
export interface Reading {
  metric: string;
  /** Of its one label; null when it has none. */
  label: string | null;
  value: number;
}

/** Some milliseconds, whatever waits. */
const MOST_WAITING = 100_000;

/** What orders, payments, events and webhooks wait for. Of what many may wait for, 100,000 are counted, and 1,000 of a webhook. */
export async function readWaiting(database: Database): Promise<Reading[]> {
  const readings = await database.run(
    ({ sql }) => sql<Reading[]>`
      with late as (
        select payment_deadline from orders
        where stage = 'awaiting_payment' and payment_deadline < clock_timestamp()
        order by payment_deadline
        limit ${MOST_WAITING}
      ),
      unpublished as (
        select recorded_at from outbox order by id limit ${MOST_WAITING}
      ),
      pending as (
        select waiting.count, waiting.since
        from
          webhook
          cross join lateral (
            select count(*) as count, min(created_at) as since
            from (
              select created_at from webhook_delivery
              where webhook_id = webhook.id and state = 'pending'
              order by due_at
              limit ${MOST_COUNTED}
            ) as first
          ) as waiting
      )
      select 'holdfast_orders_awaiting_payment' as metric, null::text as label, count(*)::double precision as value
      from (select from orders where stage = 'awaiting_payment' limit ${MOST_WAITING}) as open
      union all
      select 'holdfast_orders_past_deadline', null, count(*) from late
      union all
      select
        'holdfast_order_longest_past_deadline_seconds', null,
        coalesce(extract(epoch from clock_timestamp() - min(payment_deadline)), 0)
      from late
      union all
      select 'holdfast_payments_unsettled', case when state = 'captured' then 'unused' else state end, count(*)
      from payment
      where state in ('pending', 'authorised', 'capturing') or (state = 'captured' and not secures)
      group by state
      union all
      select 'holdfast_events_unpublished', null, count(*) from unpublished
      union all
      select
        'holdfast_event_oldest_unpublished_seconds', null,
        greatest(coalesce(extract(epoch from clock_timestamp() - min(recorded_at)), 0), 0)
      from unpublished
      union all
      select 'holdfast_webhooks', state, count(*) from webhook group by state
      union all
      select 'holdfast_webhook_deliveries_pending', null, coalesce(sum(count), 0) from pending
      union all
      select
        'holdfast_webhook_delivery_oldest_pending_seconds', null,
        greatest(coalesce(extract(epoch from clock_timestamp() - min(since)), 0), 0)
      from pending
    `,
  );
  return [...readings];
}

/** What needs a person, and what the monitor and the scheduled runs said last. */
export async function readWatched(database: Database): Promise<Reading[]> {
  const readings = await database.run(
    ({ sql }) => sql<Reading[]>`
      with latest as (
        select max(minute) as minute from measurement
      )
      select 'holdfast_attention_marks' as metric, reason as label, count(*)::double precision as value
      from attention
      where cleared_at is null
      group by reason
      union all
      select 'holdfast_findings_open', kind, count(*) from finding where state = 'open' group by kind
      union all
      select 'holdfast_alerts_open', name, 1 from alert where closed_at is null
      union all
      select 'holdfast_measure', name, value from measurement where minute = (select minute from latest)
      union all
      select 'holdfast_measure_timestamp_seconds', null, extract(epoch from minute) from latest where minute is not null
      union all
      select 'holdfast_run_end_timestamp_seconds', run, extract(epoch from ended_at) from run_end where ended_at is not null
    `,
  );
  return [...readings];
}
