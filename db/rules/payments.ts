/** Detectors of payments: money is taken for an order exactly when it is paid. */
import type { Queryable } from '../postgres.ts';
import { NIL, type Detector, type Inspected, type PageOfRows } from './detector.ts';

const payments = (sql: Queryable, { after, limit }: PageOfRows) => sql`
  select order_id as subject, order_id, kind
  from transfer
  where kind in ('debit', 'capture') and order_id > ${after ?? NIL}
  order by order_id
  limit ${limit}
`;

/** Rule 6: no money is kept for an order that is not paid. What reconciliation gave back is in order. */
export const moneyTakenWithoutPayment: Detector = {
  page: payments,
  inspect: (sql, page) => sql<Inspected[]>`
    select
      subject, payment.order_id as "orderId",
      case
        when orders.id is null then format('a %s was made for an order that does not exist', payment.kind)
        when stage not in ('paid', 'refunded') and refund.id is null
          then format('a %s was made for an order that is %s', payment.kind, stage)
      end as finding
    from (${payments(sql, page)}) as payment
    -- Laterals make it look-ups for each, and not joins with all orders and refunds there ever were.
    left join lateral (select id, stage from orders where orders.id = payment.order_id limit 1) as orders on true
    left join lateral (
      select id from transfer where transfer.order_id = payment.order_id and transfer.kind = 'refund' limit 1
    ) as refund on true
    order by payment.order_id
  `,
};

const settledOrders = (sql: Queryable, { after, limit }: PageOfRows) => sql`
  select id as subject, id, stage
  from orders
  where stage in ('paid', 'refunded') and id > ${after ?? NIL}
  order by id
  limit ${limit}
`;

/** Rule 6: no order is paid without money. */
export const paidWithoutMoney: Detector = {
  page: settledOrders,
  inspect: (sql, page) => sql<Inspected[]>`
    select
      subject, settled.id as "orderId",
      case when payment.id is null then format('is %s, and no money was taken for it', stage) end as finding
    from (${settledOrders(sql, page)}) as settled
    -- A look-up for each, as above.
    left join lateral (
      select id from transfer where transfer.order_id = settled.id and transfer.kind in ('debit', 'capture') limit 1
    ) as payment on true
    order by settled.id
  `,
};
