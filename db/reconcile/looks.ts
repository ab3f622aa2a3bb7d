/**
 * What reconciliation looks for in the tables. Each look is one statement over one page of rows, so it sees one moment: a
 * step commits everything or nothing, and an order in flight is never taken for a broken one.
 */
import { FINDING_KINDS, type FindingKind } from '../../workflows/contract.ts';
import type { Queryable } from '../connection.ts';
import { inconsistentOrders, unbalancedTransfers } from './consistency.ts';
import { NIL, type Look, type Page } from './page.ts';

/** Findings that need Temporal's word, too. */
export type TemporalKind = 'workflow_missing' | 'order_missing';
/** Findings about rows. Figures are looked into by the day; see stats.ts. */
export type TableKind = Exclude<FindingKind, TemporalKind | 'stats_wrong'>;
export const TABLE_KINDS = FINDING_KINDS.filter(
  (kind): kind is TableKind =>
    kind !== 'workflow_missing' && kind !== 'order_missing' && kind !== 'stats_wrong',
);

/** How late an order may expire: a timer fires late when a worker was away. */
export const OVERDUE_GRACE_MS = 60_000;

export function look(sql: Queryable, kind: TableKind, page: Page): PromiseLike<readonly Look[]> {
  return LOOKS[kind](sql, page);
}

const LOOKS: Readonly<Record<TableKind, (sql: Queryable, page: Page) => PromiseLike<readonly Look[]>>> = {
  order_overdue: (sql, { after, limit, now }) => sql<Look[]>`
    select
      id as subject, id as "orderId",
      case
        when payment_deadline < ${new Date(Date.parse(now) - OVERDUE_GRACE_MS).toISOString()}
          then format('was to be paid by %s and still waits', to_char(payment_deadline at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS UTC'))
      end as finding
    from orders
    where stage = 'awaiting_payment' and id > ${after ?? NIL}
    order by id
    limit ${limit}
  `,

  units_held_by_closed_order: (sql, { after, limit }) => {
    const [sku = '', orderId = NIL] = placeOf(after);
    return sql<Look[]>`
      select
        format('%s/%s', held.sku, held.order_id) as subject, held.order_id as "orderId",
        case
          when orders.id is null then format('%s units of %s are held for an order that does not exist', quantity, sku)
          when stage <> 'awaiting_payment' then format('%s units of %s are held for an order that is %s', quantity, sku, stage)
        end as finding
      from (
        select sku, order_id, quantity
        from reservation
        where state = 'held' and (sku, order_id) > (${sku}, ${orderId}::uuid)
        order by sku, order_id
        limit ${limit}
      ) as held
      left join orders on orders.id = held.order_id
      order by held.sku, held.order_id
    `;
  },

  money_held_by_closed_order: (sql, { after, limit }) => {
    const [walletId = NIL, orderId = NIL] = placeOf(after);
    return sql<Look[]>`
      select
        format('%s/%s', promised.wallet_id, promised.order_id) as subject, promised.order_id as "orderId",
        case
          when orders.id is null then format('%s of wallet %s are held for an order that does not exist', amount, promised.wallet_id)
          when stage <> 'awaiting_payment'
            then format('%s of wallet %s are held for an order that is %s', amount, promised.wallet_id, stage)
        end as finding
      from (
        select wallet_id, order_id, amount
        from hold
        where state = 'held' and (wallet_id, order_id) > (${walletId}::uuid, ${orderId}::uuid)
        order by wallet_id, order_id
        limit ${limit}
      ) as promised
      left join orders on orders.id = promised.order_id
      order by promised.wallet_id, promised.order_id
    `;
  },

  money_taken_without_payment: (sql, { after, limit }) => sql<Look[]>`
    select
      payment.order_id as subject, payment.order_id as "orderId",
      case
        when orders.id is null then format('a %s was made for an order that does not exist', payment.kind)
        when stage not in ('paid', 'refunded') and refund.id is null
          then format('a %s was made for an order that is %s', payment.kind, stage)
      end as finding
    from (
      select order_id, kind
      from transfer
      where kind in ('debit', 'capture') and order_id > ${after ?? NIL}
      order by order_id
      limit ${limit}
    ) as payment
    left join orders on orders.id = payment.order_id
    left join transfer as refund on refund.order_id = payment.order_id and refund.kind = 'refund'
    order by payment.order_id
  `,

  paid_without_money: (sql, { after, limit }) => sql<Look[]>`
    select
      settled.id as subject, settled.id as "orderId",
      case when payment.id is null then format('is %s, and no money was taken for it', stage) end as finding
    from (
      select id, stage
      from orders
      where stage in ('paid', 'refunded') and id > ${after ?? NIL}
      order by id
      limit ${limit}
    ) as settled
    left join transfer as payment on payment.order_id = settled.id and payment.kind in ('debit', 'capture')
    order by settled.id
  `,

  stock_counter_wrong: (sql, { after, limit }) => sql<Look[]>`
    with page as (
      select sku, on_hand, reserved from sku where sku > ${after ?? ''} order by sku limit ${limit}
    )
    select
      page.sku as subject, null as "orderId",
      case
        when reserved <> held.quantity or on_hand <> come.quantity - gone.quantity
          then format(
            'on hand %s, by its movements and sales %s; reserved %s, by its reservations %s',
            on_hand, come.quantity - gone.quantity, reserved, held.quantity
          )
      end as finding
    from page
    cross join lateral (
      select coalesce(sum(quantity), 0) as quantity from reservation where reservation.sku = page.sku and state = 'held'
    ) as held
    cross join lateral (
      select coalesce(sum(quantity), 0) as quantity from reservation where reservation.sku = page.sku and state = 'consumed'
    ) as gone
    cross join lateral (
      select coalesce(sum(quantity), 0) as quantity from stock_movement where stock_movement.sku = page.sku
    ) as come
    order by page.sku
  `,

  wallet_counter_wrong: (sql, { after, limit }) => sql<Look[]>`
    with page as (
      select id, posted, held from wallet where id > ${after ?? NIL} order by id limit ${limit}
    )
    select
      page.id as subject, null as "orderId",
      case
        when posted <> moved.amount or held <> promised.amount
          then format('posted %s, by its entries %s; held %s, by its holds %s', posted, moved.amount, held, promised.amount)
      end as finding
    from page
    cross join lateral (
      select coalesce(sum(amount), 0) as amount from entry where entry.wallet_id = page.id
    ) as moved
    cross join lateral (
      select coalesce(sum(amount), 0) as amount from hold where hold.wallet_id = page.id and state = 'held'
    ) as promised
    order by page.id
  `,

  order_inconsistent: inconsistentOrders,

  order_lost: (sql, { after, limit }) => sql<Look[]>`
    -- Does every order exist that a caller was told of?
    select
      told.key as subject, told.command_id as "orderId",
      case when orders.id is null then format('order %s was answered to its caller, and does not exist', told.command_id) end as finding
    from (
      select key, command_id, response_status
      from idempotency_key
      where operation = 'createOrder' and response_status = 201 and key > ${after ?? ''}
      order by key
      limit ${limit}
    ) as told
    left join orders on orders.id = told.command_id
    order by told.key
  `,

  transfer_unbalanced: unbalancedTransfers,
};

/** A subject that is two keys. */
const placeOf = (after: string | null): string[] => (after === null ? [] : after.split('/'));
