/** The parts of the refund statement that decide: what is asked for, whether it is left, and what the refund leads to. */
import { WALLET_FULL } from '../../domain/attention.ts';
import { BALANCE_LIMIT } from '../../domain/limits.ts';
import { ORDER_TOO_OLD, REFUND_REFUSALS, type RefundPart, type RefusalReason } from '../../domain/order.ts';
import type { Fragment, Queryable } from '../postgres.ts';
import { lockLines, lockSkus, lockWallet } from './fragments.ts';
import { lockSecuring } from './payments/fragments.ts';

const NOT_REFUNDABLE = 'order_not_refundable' satisfies RefusalReason;
const [EXCEEDS_PAYMENT, EXCEEDS_UNITS, NOT_IN_ORDER] = REFUND_REFUSALS;

/** The units that are asked for. */
function askedUnits(sql: Queryable, { amount, lines, restock }: RefundPart): Fragment {
  if (lines !== undefined)
    return sql`
      select sku, quantity, restock
      from jsonb_to_recordset(${JSON.stringify(lines)}::text::jsonb) as line (sku text, quantity bigint, restock boolean)
    `;
  return sql`
    select sku, quantity - refunded as quantity, ${restock}::boolean as restock
    from locked_line
    where refunded < quantity and ${amount === undefined}::boolean
  `;
}

/** The money that is asked for. Numeric: more than an order can come to is refused, and must not overflow before. */
function askedAmount(sql: Queryable, { amount, lines }: RefundPart): Fragment {
  if (lines !== undefined) return sql`(select coalesce(sum(amount), 0) from part)`;
  return amount === undefined ? sql`(total - refunded)::numeric` : sql`${amount}::numeric`;
}

/**
 * Decides on the locked rows, and locks what else is to change. Of a payment and of units ever less is left: whatever is refused for
 * that now is refused for good.
 */
export const decideRefund = (sql: Queryable, asked: RefundPart): Fragment => sql`
  ${lockLines(sql, sql`stage = 'paid' and ${asked.amount === undefined}::boolean`)},
  asked as (${askedUnits(sql, asked)}),
  part as materialized (
    select
      asked.sku, asked.quantity, asked.restock, line.quantity as bought, line.refunded,
      -- What all units that are refunded cost, rounded down, less what those before did: all units of a line cost exactly what it costs.
      div(
        (line.quantity::numeric * line.unit_price + line.adjustment) * (line.refunded + asked.quantity), line.quantity
      ) - line.refunded_amount as amount
    from asked left join locked_line as line using (sku)
    where (select count(*) from locked_line) >= 0
  ),
  judged as materialized (
    select
      id, amount,
      case
        when stage <> 'paid' then ${NOT_REFUNDABLE}
        -- No event follows one that was dropped.
        when events_are_dropped(id) then ${ORDER_TOO_OLD}
        when exists (select from part where bought is null) then ${NOT_IN_ORDER}
        when exists (select from part where refunded + quantity > bought) then ${EXCEEDS_UNITS}
        when amount > total - refunded then ${EXCEEDS_PAYMENT}
      end as refusal
    from (select *, ${askedAmount(sql, asked)} as amount from locked_order) as refundable
  ),
  ${lockSkus(sql, sql`select sku from part where restock and (select refusal from judged) is null`)},
  ${lockSecuring(sql, sql`(select refusal from judged) is null`)},
  -- An order that was paid by payments is given back to them.
  ${lockWallet(
    sql,
    sql`select wallet_id from locked_order where secured = 0 and (select refusal from judged) is null`,
  )},
  decided as materialized (
    select
      locked_order.*, judged.amount::bigint as amount,
      case when locked_order.refunded + judged.amount = locked_order.total then 'refunded' else 'paid' end as next_stage,
      case
        when judged.refusal is not null then judged.refusal
        when judged.amount > 0 and locked_wallet.posted + judged.amount > ${BALANCE_LIMIT}::bigint then ${WALLET_FULL}
      end as refusal
    from locked_order join judged using (id) left join locked_wallet on true
    where judged.refusal is not null or (select are_all from locked_payments)
  )`;

/** The outcome that a refund's key keeps: the caller's reason when all is given back, and why it is refused for good. */
export const outcomeToKeep = (sql: Queryable, reason: string): Fragment => sql`
  select
    case when refusal is null then next_stage else stage end as stage,
    case when refusal is not null then refusal when next_stage = 'refunded' then ${reason}::text end as reason
  from decided
  where refusal is null or refusal in ${sql([...REFUND_REFUSALS])}`;

/**
 * A refusal that may not last, of a refund whose key is free. Only a snapshot that has the order as it is locked has the keys of all
 * that moved it: without one there is no row, and the next snapshot is asked.
 * @param recorded selects what is recorded under the key.
 */
export const refusalForNow = (sql: Queryable, recorded: Fragment): Fragment => sql`
  select decided.stage, null as reason, refusal
  from decided join orders on orders.id = decided.id and orders.version = decided.version
  where refusal is not null and refusal not in ${sql([...REFUND_REFUSALS])} and not exists (${recorded})`;
