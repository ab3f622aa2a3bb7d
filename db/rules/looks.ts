/**
 * What reconciliation looks for in the tables. Each look is one statement over one page of rows, so it sees one moment: a
 * step commits everything or nothing, and an order in flight is never taken for a broken one.
 */
import type { PendingQuery, Row } from 'postgres';
import { DETECTED_KINDS, type DetectedKind } from '../../domain/rules.ts';
import type { Queryable } from '../postgres.ts';
import { inconsistentOrders, ordersAndOrphans, transfers, unbalancedTransfers } from './consistency.ts';
import { NIL, type Look, type Page, type PageOfRows } from './page.ts';

/** Findings that need Temporal's word, too. */
export type TemporalKind = 'workflow_missing' | 'order_missing' | 'workflow_failed';
/** Findings about rows. Figures are looked into by the day; see stats.ts. */
export type TableKind = Exclude<DetectedKind, TemporalKind | 'stats_wrong'>;
export const TABLE_KINDS = DETECTED_KINDS.filter(
  (kind): kind is TableKind =>
    kind !== 'workflow_missing' &&
    kind !== 'order_missing' &&
    kind !== 'workflow_failed' &&
    kind !== 'stats_wrong',
);

/** How late an order may expire: a timer fires late when a worker was away. */
export const OVERDUE_GRACE_MS = 60_000;

export function look(sql: Queryable, kind: TableKind, page: Page): PromiseLike<readonly Look[]> {
  return LOOKS[kind](sql, page);
}

/** The subject of the next row, without a look at it; null after the last. */
export async function nextSubject(
  sql: Queryable,
  kind: TableKind,
  after: string | null,
): Promise<string | null> {
  const [next] = await sql<{ subject: string }[]>`
    select subject::text from (${PAGES[kind](sql, { after, limit: 1 })}) as page
  `;
  return next?.subject ?? null;
}

/** The rows of a page in their order, with the `subject` of each. What is looked for in them is below. */
const PAGES: Readonly<Record<TableKind, (sql: Queryable, page: PageOfRows) => PendingQuery<Row[]>>> = {
  order_overdue: (sql, { after, limit }) => sql`
    select id as subject, id, payment_deadline
    from orders
    where stage = 'awaiting_payment' and id > ${after ?? NIL}
    order by id
    limit ${limit}
  `,

  units_held_by_closed_order: (sql, { after, limit }) => {
    const [sku = '', orderId = NIL] = placeOf(after);
    return sql`
      select format('%s/%s', sku, order_id) as subject, sku, order_id, quantity
      from reservation
      where state = 'held' and (sku, order_id) > (${sku}, ${orderId}::uuid)
      order by sku, order_id
      limit ${limit}
    `;
  },

  money_held_by_closed_order: (sql, { after, limit }) => {
    const [walletId = NIL, orderId = NIL] = placeOf(after);
    return sql`
      select format('%s/%s', wallet_id, order_id) as subject, wallet_id, order_id, amount
      from hold
      where state = 'held' and (wallet_id, order_id) > (${walletId}::uuid, ${orderId}::uuid)
      order by wallet_id, order_id
      limit ${limit}
    `;
  },

  money_taken_without_payment: (sql, { after, limit }) => sql`
    select order_id as subject, order_id, kind
    from transfer
    where kind in ('debit', 'capture') and order_id > ${after ?? NIL}
    order by order_id
    limit ${limit}
  `,

  paid_without_money: (sql, { after, limit }) => sql`
    select id as subject, id, stage
    from orders
    where stage in ('paid', 'refunded') and id > ${after ?? NIL}
    order by id
    limit ${limit}
  `,

  stock_counter_wrong: (sql, { after, limit }) => sql`
    select sku as subject, sku, on_hand, reserved from sku where sku > ${after ?? ''} order by sku limit ${limit}
  `,

  wallet_counter_wrong: (sql, { after, limit }) => sql`
    select id as subject, id, posted, held from wallet where id > ${after ?? NIL} order by id limit ${limit}
  `,

  order_inconsistent: ordersAndOrphans,

  order_lost: (sql, { after, limit }) => sql`
    select key as subject, key, command_id
    from idempotency_key
    where operation = 'createOrder' and response_status = 201 and key > ${after ?? ''}
    order by key
    limit ${limit}
  `,

  transfer_unbalanced: transfers,
};

const LOOKS: Readonly<Record<TableKind, (sql: Queryable, page: Page) => PromiseLike<readonly Look[]>>> = {
  order_overdue: (sql, page) => sql<Look[]>`
    select
      subject, id as "orderId",
      case
        when payment_deadline < ${new Date(Date.parse(page.now) - OVERDUE_GRACE_MS).toISOString()}
          then format('was to be paid by %s and still waits', to_char(payment_deadline at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS UTC'))
      end as finding
    from (${PAGES.order_overdue(sql, page)}) as open
    order by id
  `,

  units_held_by_closed_order: (sql, page) => sql<Look[]>`
    select
      subject, held.order_id as "orderId",
      case
        when orders.id is null then format('%s units of %s are held for an order that does not exist', quantity, sku)
        when stage <> 'awaiting_payment' then format('%s units of %s are held for an order that is %s', quantity, sku, stage)
      end as finding
    from (${PAGES.units_held_by_closed_order(sql, page)}) as held
    left join orders on orders.id = held.order_id
    order by held.sku, held.order_id
  `,

  money_held_by_closed_order: (sql, page) => sql<Look[]>`
    select
      subject, promised.order_id as "orderId",
      case
        when orders.id is null then format('%s of wallet %s are held for an order that does not exist', amount, promised.wallet_id)
        when stage <> 'awaiting_payment'
          then format('%s of wallet %s are held for an order that is %s', amount, promised.wallet_id, stage)
      end as finding
    from (${PAGES.money_held_by_closed_order(sql, page)}) as promised
    left join orders on orders.id = promised.order_id
    order by promised.wallet_id, promised.order_id
  `,

  money_taken_without_payment: (sql, page) => sql<Look[]>`
    select
      subject, payment.order_id as "orderId",
      case
        when orders.id is null then format('a %s was made for an order that does not exist', payment.kind)
        when stage not in ('paid', 'refunded') and refund.id is null
          then format('a %s was made for an order that is %s', payment.kind, stage)
      end as finding
    from (${PAGES.money_taken_without_payment(sql, page)}) as payment
    left join orders on orders.id = payment.order_id
    left join transfer as refund on refund.order_id = payment.order_id and refund.kind = 'refund'
    order by payment.order_id
  `,

  paid_without_money: (sql, page) => sql<Look[]>`
    select
      subject, settled.id as "orderId",
      case when payment.id is null then format('is %s, and no money was taken for it', stage) end as finding
    from (${PAGES.paid_without_money(sql, page)}) as settled
    left join transfer as payment on payment.order_id = settled.id and payment.kind in ('debit', 'capture')
    order by settled.id
  `,

  stock_counter_wrong: (sql, page) => sql<Look[]>`
    select
      subject, null as "orderId",
      case
        when reserved <> held.quantity or on_hand <> come.quantity - gone.quantity
          then format(
            'on hand %s, by its movements and sales %s; reserved %s, by its reservations %s',
            on_hand, come.quantity - gone.quantity, reserved, held.quantity
          )
      end as finding
    from (${PAGES.stock_counter_wrong(sql, page)}) as page
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

  wallet_counter_wrong: (sql, page) => sql<Look[]>`
    select
      subject, null as "orderId",
      case
        when posted <> moved.amount or held <> promised.amount
          then format('posted %s, by its entries %s; held %s, by its holds %s', posted, moved.amount, held, promised.amount)
      end as finding
    from (${PAGES.wallet_counter_wrong(sql, page)}) as page
    cross join lateral (
      select coalesce(sum(amount), 0) as amount from entry where entry.wallet_id = page.id
    ) as moved
    cross join lateral (
      select coalesce(sum(amount), 0) as amount from hold where hold.wallet_id = page.id and state = 'held'
    ) as promised
    order by page.id
  `,

  order_inconsistent: inconsistentOrders,

  // Does every order exist that a caller was told of?
  order_lost: (sql, page) => sql<Look[]>`
    select
      subject, told.command_id as "orderId",
      case when orders.id is null then format('order %s was answered to its caller, and does not exist', told.command_id) end as finding
    from (${PAGES.order_lost(sql, page)}) as told
    left join orders on orders.id = told.command_id
    order by told.key
  `,

  transfer_unbalanced: unbalancedTransfers,
};

/** A subject that is two keys. */
const placeOf = (after: string | null): string[] => (after === null ? [] : after.split('/'));
