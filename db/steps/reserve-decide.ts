/** The parts of the reserve statement that decide, on locked rows, which orders get what they ask for. */
import { TOTAL_LIMIT } from '../../domain/limits.ts';
import type { Fragment, Queryable } from '../postgres.ts';
import type { Terms } from './reserve-terms.ts';

/** The name of a SKU among those of all shops. */
const unitKey = (sql: Queryable): Fragment => sql`shop_id || '/' || sku`;

/** What does each order ask for, what does it come to, and what is wrong with it, whatever the others ask for? */
export const demandOfEach = (sql: Queryable, terms: Terms): Fragment => sql`
  priced as materialized (
    -- Numeric: one line may come to more than int8 holds, and would make the statement fail for all orders in it.
    select
      line.place, shop_id, sku, ${unitKey(sql)} as unit, line.quantity, locked_sku.price, locked_sku.currency,
      line.quantity::numeric * locked_sku.price as amount ${terms.pricedColumns}
    from line left join locked_sku using (shop_id, sku) ${terms.pricedJoin}
  ),
  demand as materialized (
    -- An order without lines is recorded already, or can never be decided.
    select
      place, order_id,
      case payment_mode when 'hold' then wallet_id::text end as payer,
      case
        when count(priced.place) = 0 then 'undecided'
        when request.currency is null then 'unknown_wallet'
        when not request.is_allowed then 'wallet_not_allowed'
        when bool_or(priced.price is null) then 'unknown_sku'
        when bool_or(priced.currency <> request.currency) then 'currency_mismatch'
        ${terms.priceRefusal}
        when ${terms.total} > ${TOTAL_LIMIT} then 'total_limit_exceeded'
        ${terms.totalRefusals}
      end as refusal,
      case
        when bool_and(priced.currency is not distinct from request.currency) and ${terms.isTotal}
          then ${terms.total}::bigint
      end as total,
      case when bool_and(priced.currency is not distinct from request.currency) then request.currency end as currency,
      jsonb_object_agg(priced.unit, priced.quantity) filter (where priced.unit is not null) as units
    from request left join priced using (place)
    group by place, order_id, payment_mode, wallet_id, request.currency, request.is_allowed ${terms.demandGroups}
  )`;

/**
 * Which orders get what they ask for, first come first served? `units` and `funds` are what is left of each SKU and of each wallet
 * after the order, for the next one to decide on.
 */
export const decideInTurn = (sql: Queryable): Fragment => sql`
  decided (place, order_id, refusal, total, currency, units, funds) as (
    select
      -1, null::uuid, 'undecided', null::bigint, null::text,
      (select jsonb_object_agg(${unitKey(sql)}, on_hand - reserved) from locked_sku),
      (select jsonb_object_agg(id, posted - held) from locked_wallet)
    union all
    select
      next.place, next.order_id, verdict.refusal, next.total, next.currency,
      case when verdict.refusal is null then decided.units || rest.units else decided.units end,
      case
        when verdict.refusal is null and next.payer is not null
          then decided.funds || jsonb_build_object(next.payer, (decided.funds ->> next.payer)::bigint - next.total)
        else decided.funds
      end
    from decided
    -- All orders as one array, read once: a join would go through all of them at every turn.
    cross join lateral (
      select (select jsonb_agg(demand order by place) from demand) -> (decided.place + 1) as demand
    ) as turn
    cross join lateral jsonb_to_record(turn.demand) as next (
      place integer, order_id uuid, payer text, refusal text, total bigint, currency text, units jsonb
    )
    cross join lateral (
      select
        bool_or((decided.units ->> unit)::bigint < quantity::bigint) as is_short,
        jsonb_object_agg(unit, (decided.units ->> unit)::bigint - quantity::bigint) as units
      from jsonb_each(next.units) as wanted (unit, quantity)
    ) as rest
    cross join lateral (
      select
        case
          when next.refusal is not null then next.refusal
          when rest.is_short then 'out_of_stock'
          -- The wallet is locked and was skipped.
          when next.payer is not null and decided.funds ->> next.payer is null then 'undecided'
          when (decided.funds ->> next.payer)::bigint < next.total then 'insufficient_funds'
        end as refusal
    ) as verdict
    where next.place is not null
  )`;
