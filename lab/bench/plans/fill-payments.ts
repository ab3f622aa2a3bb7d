/** Fills a database with payments of orders in parts, most of them by provider, and with what was booked and heard of them. */
import type { Queryable } from '../../../db/postgres.ts';

/** What a part by wallet comes to, of orders that have one. */
export const PART_BY_WALLET = 100;

/**
 * After the orders, within their transaction. An order in parts has a payment by provider, and every third one that is paid another by
 * wallet. Of those that are open, each is somewhere else; of those that are over, few were captured all the same.
 */
export async function fillPayments(sql: Queryable, until: Date): Promise<void> {
  await sql`
    create temporary table part on commit drop as
    select
      overlay(sale.id::text placing case method when 'wallet' then '6' else '5' end from 20 for 1)::uuid as id, shop_id, sale.id as order_id,
      wallet_id, method, placed_at, number, outcome = 'paid' and may_be_refunded as is_refunded,
      case
        when method = 'wallet' then ${PART_BY_WALLET}::bigint
        when outcome = 'awaiting_payment' then total / 2
        else total - case when outcome = 'paid' and number % 3 = 0 then ${PART_BY_WALLET}::bigint else 0 end
      end as amount,
      case outcome
        when 'paid' then 'captured'
        when 'awaiting_payment' then (array['pending', 'pending', 'authorised', 'capturing'])[1 + number / 1000 % 4]
        else case when number % 5000 = 94 then 'captured' when number % 20 = 4 then 'declined' else 'voided' end
      end as state,
      outcome in ('paid', 'awaiting_payment') as secures
    from sale cross join (values ('provider'), ('wallet')) as made (method)
    where
      in_parts and outcome <> 'rejected' and (method = 'provider' or (outcome = 'paid' and number % 3 = 0))
  `;
  await sql`
    insert into payment (
      id, shop_id, order_id, method, amount, currency, state, secures, refunded, provider_id, reason, opened_at, updated_at, version
    )
    select
      id, shop_id, order_id, method, amount, 'EUR', state, secures, case when is_refunded then amount else 0 end,
      case when state <> 'pending' then 'at-the-provider-' || id end,
      case state when 'declined' then 'no money' when 'voided' then 'order_over' end, placed_at, placed_at,
      case state when 'pending' then 1 when 'capturing' then 3 else 2 end
    from part
    order by placed_at
  `;
  await sql`
    insert into payment_event (payment_id, version, from_state, state, at)
    select id, 1, null, 'pending', placed_at from part
    union all
    select id, 2, 'pending', case state when 'capturing' then 'authorised' else state end, placed_at from part where state <> 'pending'
    union all
    select id, 3, 'authorised', 'capturing', placed_at from part where state = 'capturing'
  `;
  await sql`
    insert into order_step (order_id, step, command_id, stage, recorded_at)
    select order_id, 'openPayment', id, 'awaiting_payment', placed_at from part
  `;
  await sql`
    insert into payment_hold (payment_id, shop_id, order_id, wallet_id, amount, state)
    select id, shop_id, order_id, wallet_id, amount, 'captured' from part where method = 'wallet'
  `;
  await sql`
    insert into payment_source (payment_id, shop_id, source, recorded_at)
    select id, shop_id, 'tok_' || id, placed_at from part where state = 'pending' and method = 'provider'
  `;
  await fillLedger(sql);
  await fillRefunds(sql);
  // Nearly all is handled.
  await sql`
    insert into payment_notification (id, reference, provider_id, type, received_at, state, handled_at)
    select
      'msg-' || id, id, 'at-the-provider-' || id, 'payment.' || state, placed_at,
      case when number % 50000 = 4 then 'unmatched' else 'handled' end, case when number % 50000 <> 4 then ${until}::timestamptz end
    from part
    where state <> 'pending' and method = 'provider'
    order by placed_at
  `;
}

/** What of a wallet's part was taken from the wallet was booked with all that happened there. */
async function fillLedger(sql: Queryable): Promise<void> {
  await sql`
    insert into transfer (shop_id, id, kind, order_id, payment_id, recorded_at)
    select shop_id, overlay(id::text placing '7' from 20 for 1)::uuid, 'receipt', order_id, id, placed_at
    from part
    where state = 'captured' and method = 'provider'
    union all
    select shop_id, overlay(id::text placing '8' from 20 for 1)::uuid, 'capture', id, null, placed_at
    from sale
    where in_parts and outcome = 'paid'
    order by 6
  `;
  await sql`
    insert into entry (shop_id, transfer_id, account, amount, currency)
    select
      shop_id, overlay(id::text placing '7' from 20 for 1)::uuid, account, case account when 'clearing' then amount else -amount end, 'EUR'
    from part cross join (values ('provider'), ('clearing')) as side (account)
    where state = 'captured' and method = 'provider'
    union all
    select
      shop_id, overlay(id::text placing '8' from 20 for 1)::uuid, account, case account when 'sales' then total else -total end, 'EUR'
    from sale cross join (values ('clearing'), ('sales')) as side (account)
    where in_parts and outcome = 'paid'
  `;
}

/** All of it at once. Few are still owed. */
async function fillRefunds(sql: Queryable): Promise<void> {
  const command = sql`overlay(sale.id::text placing 'c' from 20 for 1)::uuid`;
  const transfer = sql`overlay(sale.id::text placing 'f' from 20 for 1)::uuid`;
  await sql`
    insert into transfer (shop_id, id, kind, order_id, command_id, recorded_at)
    select shop_id, ${transfer}, 'refund', id, ${command}, placed_at + interval '3 days'
    from sale
    where in_parts and outcome = 'paid' and may_be_refunded
  `;
  await sql`
    insert into entry (shop_id, transfer_id, account, amount, currency)
    select shop_id, ${transfer}, account, case account when 'clearing' then total else -total end, 'EUR'
    from sale cross join (values ('clearing'), ('sales')) as side (account)
    where in_parts and outcome = 'paid' and may_be_refunded
  `;
  await sql`
    insert into refund (order_id, command_id, version, shop_id, amount, currency, reason, at, transfer_id)
    select id, ${command}, 3, shop_id, total, 'EUR', 'broken', placed_at + interval '3 days', ${transfer}
    from sale
    where in_parts and outcome = 'paid' and may_be_refunded
  `;
  await sql`
    insert into refund_payment (order_id, command_id, payment_id, amount, state, transfer_id)
    select
      sale.id, ${command}, part.id, part.amount, case when part.number % 10000 = 4 then 'owed' else 'sent' end,
      case when part.number % 10000 <> 4 then ${transfer} end
    from part join sale on sale.id = part.order_id
    where is_refunded
  `;
}
