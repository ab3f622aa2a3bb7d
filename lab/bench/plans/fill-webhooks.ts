/** Fills a database with webhooks and what they were sent: one shop has a busy one, and many that wait for nothing. */
import { MAIN_SHOP } from '../../../domain/shops.ts';
import type { Queryable } from '../../../db/postgres.ts';

/** Of the shop that has most. The first is the busy one. */
const WEBHOOKS_OF_MAIN = 20;
/** Events that wait there. */
const PENDING = 2_000;

/** After the orders. */
export async function fillWebhooks(sql: Queryable, until: Date): Promise<void> {
  await sql`
    insert into webhook (id, shop_id, url, types, created_at, created_by, updated_at)
    select
      (lpad(to_hex((extract(epoch from ${until}::timestamptz) * 1000)::bigint), 12, '0') || '70008000' || lpad(to_hex(number), 12, '0'))::uuid,
      shop_id, 'https://shop.example/' || number, case when number > 1 then 'order.refunded' end, ${until}, 'bench', ${until}
    from (
      select number, ${MAIN_SHOP} as shop_id from generate_series(1, ${WEBHOOKS_OF_MAIN}::integer) as number
      union all
      select ${WEBHOOKS_OF_MAIN}::integer + row_number() over (order by id), id from shop where id <> ${MAIN_SHOP}
    ) as made
  `;
  await sql`
    insert into webhook_secret (webhook_id, id, sealed, sealing_key, created_at)
    select id, id, decode(repeat('00', 60), 'hex'), 'old', ${until} from webhook
  `;
  await sql`
    insert into webhook_delivery (
      id, webhook_id, shop_id, event_id, type, kind, order_id, version, sequence, state, attempts, first_attempt_at, due_at, created_at, ended_at
    )
    select
      overlay(order_id::text placing lpad(to_hex(version), 4, '0') from 20 for 4)::uuid,
      (select id from webhook where shop_id = ${MAIN_SHOP} order by id limit 1), ${MAIN_SHOP}, order_id || '-' || version,
      'order.' || event.stage, 'event', order_id, version, row_number() over (order by at),
      case when place <= ${PENDING} then 'pending' when place % 1000 = 0 then 'given_up' else 'delivered' end, 1, at, at, at,
      case when place > ${PENDING} then at end
    from (
      select order_event.*, row_number() over (order by at desc) as place
      from order_event join orders on orders.id = order_id and shop_id = ${MAIN_SHOP}
      where at > ${until}::timestamptz - interval '1 month'
    ) as event
  `;
  await sql`
    insert into webhook_attempt (delivery_id, number, shop_id, at, duration_ms, status)
    select id, 1, shop_id, created_at, 20, 204 from webhook_delivery where state = 'delivered'
  `;
}
