/** Detector of inconsistent orders: all rows of one order agree. */
import { RECORDED_MOVES } from '../../domain/stages.ts';
import type { Queryable } from '../postgres.ts';
import {
  heldMoney,
  pathOfEvents,
  payment,
  reservedUnits,
  rowsOfMissingOrder,
  securedByPayments,
  stepsAndLines,
} from './order-parts.ts';
import { contents } from './order-contents.ts';
import { pathOfRefunds, refundedMoney, refundedUnits, stepsOfRefunds } from './refund-parts.ts';
import { NIL, type Detector, type Fragment, type Inspected, type PageOfRows } from './detector.ts';

const MOVES = JSON.stringify(RECORDED_MOVES);

/** Orders, and orders that are missing but have rows: a backup may be restored without them. */
function ordersAndOrphans(sql: Queryable, { after, limit }: PageOfRows): Fragment {
  const cursor = after ?? NIL;
  // Each table contributes its first ids, by its key: the first ids of all are among them.
  return sql`
    select id as subject, id
    from (
      (select id from orders where id > ${cursor} order by id limit ${limit})
      union
      (select distinct order_id from order_line where order_id > ${cursor} order by order_id limit ${limit})
      union
      (select distinct order_id from order_adjustment where order_id > ${cursor} order by order_id limit ${limit})
      union
      (select distinct order_id from order_event where order_id > ${cursor} order by order_id limit ${limit})
      union
      (select distinct order_id from order_step where order_id > ${cursor} order by order_id limit ${limit})
      union
      (select distinct order_id from reservation where order_id > ${cursor} order by order_id limit ${limit})
      union
      (select order_id from hold where order_id > ${cursor} order by order_id limit ${limit})
      union
      (select distinct order_id from transfer where kind = 'refund' and order_id > ${cursor} order by order_id limit ${limit})
      union
      (select distinct order_id from refund where order_id > ${cursor} order by order_id limit ${limit})
      union
      (select distinct order_id from refund_line where order_id > ${cursor} order by order_id limit ${limit})
    ) as known
    order by id
    limit ${limit}
  `;
}

/**
 * Rules 3, 6, 7 and 9: an order's path, steps, units, total, hold, payments and refunds fit its stage. Rule 2, for what refunds put back on
 * hand, and rule 5, for a hold of a wallet that is missing. Units or money held by an order that is over, money taken for one, and a missing
 * payment have detectors of their own.
 */
export const consistentOrders: Detector = {
  page: ordersAndOrphans,
  inspect: (sql, page) => sql<Inspected[]>`
    with page as (
      select known.id, orders.id is not null as is_there, stage, version, payment_mode, wallet_id, currency, total, refunded, secured
      from (${ordersAndOrphans(sql, page)}) as known
      left join orders on orders.id = known.id
    ),
    allowed as materialized (
      select "from", "to" from jsonb_to_recordset(${MOVES}::text::jsonb) as move ("from" text, "to" text)
    )
    select
      page.id as subject, page.id as "orderId", to_json(breaks) as breaks,
      case
        when breaks = '{}' then null
        when not is_there then format('does not exist, but it has %s', orphans.problem)
        else format(
          'is %s, but %s', stage,
          concat_ws(
            '; ',
            path.problem, step.problem, units.problem, promise.problem, contents.problem, secured.problem, payment.problem,
            refund_path.problem, refund_step.problem, refund_units.problem, refund.problem
          )
        )
      end as finding
    from page
    left join lateral (${rowsOfMissingOrder(sql)}) as orphans on true
    left join lateral (${stepsAndLines(sql)}) as step on is_there
    left join lateral (${pathOfEvents(sql)}) as path on is_there
    left join lateral (${reservedUnits(sql)}) as units on is_there
    left join lateral (${heldMoney(sql)}) as promise on is_there
    left join lateral (${contents(sql)}) as contents on is_there
    left join lateral (${securedByPayments(sql)}) as secured on is_there
    left join lateral (${payment(sql)}) as payment on is_there
    left join lateral (${pathOfRefunds(sql)}) as refund_path on is_there
    left join lateral (${stepsOfRefunds(sql)}) as refund_step on is_there
    left join lateral (${refundedUnits(sql)}) as refund_units on is_there
    left join lateral (${refundedMoney(sql)}) as refund on is_there
    cross join lateral (
      select
        array_remove(
          array[
            case when refund_units.is_unlike_stock then 2 end,
            case
              when step.problem is not null or refund_step.problem is not null or units.is_unlike_lines or orphans.breaks_3 then 3
            end,
            case when promise.is_stray then 5 end,
            case
              when
                contents.problem is not null or secured.problem is not null or payment.problem is not null or refund.problem is not null
                or refund_units.is_unlike_lines or orphans.breaks_6
                then 6
            end,
            case when units.is_unlike_stage or promise.problem is not null or orphans.breaks_7 then 7 end,
            case when path.problem is not null or refund_path.problem is not null or orphans.breaks_9 then 9 end
          ],
          null
        ) as breaks
    ) as judged
    order by page.id
  `,
};
