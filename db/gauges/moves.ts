/** What published events say of how long orders were in a stage, for the metrics. */
import type { JustPublished } from '../events/publish.ts';
import type { Database } from '../database.ts';
import { NIL_UUID } from '../schema/columns.ts';
import type { OrderEventType } from '../../domain/events.ts';

/** An event, with what it ended. In seconds, null for what it says nothing about. */
export interface Move {
  type: OrderEventType;
  reason: string | null;
  /** How long the order waited to be paid. */
  awaited: number | null;
  /** From the request that caused it to its record: PostgreSQL's clock for both. */
  worked: number | null;
  /** From the deadline of an order that expired to its record. */
  late: number | null;
  /** Whether one payment paid for all of the order. */
  isPaidAtOnce: boolean;
}

/** A primary key for each row that is looked up: a few milliseconds for a hundred events. */
export async function readMoves(
  database: Database,
  published: readonly Pick<JustPublished, 'orderId' | 'version' | 'type'>[],
): Promise<Move[]> {
  const keys = JSON.stringify(published.map(({ orderId, version, type }) => ({ orderId, version, type })));
  const moves = await database.run(
    ({ sql }) => sql<Move[]>`
      with published as (
        select
          "orderId" as order_id, version, type,
          case type
            when 'order.awaiting_payment' then 'reserve'
            when 'order.rejected' then 'reserve'
            when 'order.paid' then 'pay'
            when 'order.partially_refunded' then 'refund'
            when 'order.refunded' then 'refund'
            when 'order.expired' then 'release'
          end as step
        from jsonb_to_recordset(${keys}::text::jsonb) as published ("orderId" uuid, version integer, type text)
      )
      select
        published.type,
        event.reason,
        case
          when event.from_stage = 'awaiting_payment' and event.stage <> 'awaiting_payment'
            then extract(epoch from event.at - (
              select at from order_event as first where first.order_id = published.order_id and first.version = 1
            ))
        end::double precision as awaited,
        extract(epoch from taken.recorded_at - call.recorded_at)::double precision as worked,
        case
          when published.type = 'order.expired' then extract(epoch from taken.recorded_at - orders.payment_deadline)
        end::double precision as late,
        published.step = 'pay' and taken.order_id is not null as "isPaidAtOnce"
      from
        published
        join order_event as event using (order_id, version)
        join orders on orders.id = published.order_id
        left join order_step as taken
          on taken.order_id = published.order_id
          and taken.step = published.step
          and taken.command_id
            = case when published.step in ('pay', 'refund') then coalesce(event.command_id, ${NIL_UUID}) else ${NIL_UUID} end
        left join lateral (
          -- An order's id is that of the request for it, a command's that of its own.
          select recorded_at from idempotency_key
          where published.step = 'reserve' and operation = 'createOrder' and command_id = published.order_id
          union all
          select recorded_at from idempotency_key
          where published.step in ('pay', 'refund') and operation <> 'createOrder' and command_id = event.command_id
          limit 1
        ) as call on true
    `,
  );
  return [...moves];
}
