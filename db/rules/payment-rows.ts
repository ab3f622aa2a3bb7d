/** Detector of inconsistent payments: all rows of one payment agree. */
import { PAYMENT_MOVES } from '../../domain/payments.ts';
import type { Queryable } from '../postgres.ts';
import { NIL, type Detector, type Fragment, type Inspected, type PageOfRows } from './detector.ts';
import { heldByWallet, ofItsOrder, pathOfPayment, receipt, returns } from './payment-parts.ts';

const MOVES = JSON.stringify(PAYMENT_MOVES);

/** Payments, and payments that are missing but have rows. */
function paymentsAndOrphans(sql: Queryable, { after, limit }: PageOfRows): Fragment {
  const cursor = after ?? NIL;
  // Each table contributes its first ids, by its key: the first ids of all are among them.
  return sql`
    select id as subject, id
    from (
      (select id from payment where id > ${cursor} order by id limit ${limit})
      union
      (select distinct payment_id from payment_event where payment_id > ${cursor} order by payment_id limit ${limit})
      union
      (select payment_id from payment_hold where payment_id > ${cursor} order by payment_id limit ${limit})
      union
      (select payment_id from transfer where kind = 'receipt' and payment_id > ${cursor} order by payment_id limit ${limit})
      union
      (select distinct payment_id from transfer where kind = 'return' and payment_id > ${cursor} order by payment_id limit ${limit})
    ) as known
    order by id
    limit ${limit}
  `;
}

/** Rule 12: a payment's path, its money in the ledger and in its wallet, and what went back of it agree with its state. */
export const consistentPayments: Detector = {
  page: paymentsAndOrphans,
  inspect: (sql, page) => sql<Inspected[]>`
    with page as (
      select
        known.id, payment.id is not null as is_there, payment.shop_id, payment.order_id, method, amount, payment.currency, state, secures,
        payment.refunded, payment.version, orders.stage, orders.shop_id as order_shop, orders.currency as order_currency, orders.wallet_id
      from (${paymentsAndOrphans(sql, page)}) as known
      left join payment on payment.id = known.id
      left join orders on orders.id = payment.order_id
    ),
    allowed as materialized (
      select "from", "to" from jsonb_to_recordset(${MOVES}::text::jsonb) as move ("from" text, "to" text)
    )
    select
      page.id as subject, page.order_id as "orderId",
      case
        when not is_there then 'does not exist, but it has events, money in a wallet or transfers'
        else format('is %s, but ', state) || nullif(
          concat_ws('; ', owner.problem, path.problem, receipt.problem, returns.problem, hold.problem), ''
        )
      end as finding
    from page
    left join lateral (${ofItsOrder(sql)}) as owner on is_there
    left join lateral (${pathOfPayment(sql)}) as path on is_there
    left join lateral (${receipt(sql)}) as receipt on is_there
    left join lateral (${returns(sql)}) as returns on is_there
    left join lateral (${heldByWallet(sql)}) as hold on is_there
    order by page.id
  `,
};
