/** The step that opens a payment: money from one source is to secure a part of an order. */
import { PAYMENTS_LIMIT, type PaymentMethod } from '../../../domain/payments.ts';
import type { Database } from '../../connection.ts';
import { claimedOrRecorded, claimKey, lockOrder, type StepKey } from '../fragments.ts';
import { runStep, type StepResult, type StepRow } from '../step.ts';

export interface OpenPaymentRequest {
  orderId: string;
  /** The payment's id, which is the command that opened it. */
  commandId: string;
  method: PaymentMethod;
  /** In minor units of the order's currency; left out for all that is not secured yet. */
  amount?: number;
  /** When it was accepted: ISO 8601, the workflow's time. */
  at: string;
}

/**
 * Records a payment as `pending`, and counts it as securing the order. Nothing is asked of its source yet.
 * The order stays where it is, with refusal `payment_exceeds_total` when the order has no such amount left to secure, `too_many_payments`
 * when it has as many as it may have, or `order_not_payable` when it does not await payment. The refusal is kept under the payment's key.
 */
export function openPayment(
  database: Database,
  { orderId, commandId, method, amount, at }: OpenPaymentRequest,
): Promise<StepResult> {
  const key: StepKey = { orderId, step: 'openPayment', commandId };
  return runStep(
    database,
    orderId,
    (sql) => sql<StepRow[]>`
      with
      ${lockOrder(sql, orderId)},
      decided as materialized (
        select
          locked_order.*, asked.amount,
          case
            when stage <> 'awaiting_payment' then 'order_not_payable'
            -- The wallet holds the whole total already.
            when payment_mode = 'hold' or asked.amount > total - secured or asked.amount <= 0 then 'payment_exceeds_total'
            -- Of the snapshot. An order's workflow opens one at a time, and its bound need not be exact.
            when (select count(*) from payment where payment.order_id = locked_order.id) >= ${PAYMENTS_LIMIT}::integer then 'too_many_payments'
          end as refusal
        from
          locked_order
          cross join lateral (select coalesce(${amount ?? null}::bigint, total - secured) as amount) as asked
      ),
      ${claimKey(sql, key, sql`select stage, refusal as reason from decided`)},
      to_apply as (
        select decided.* from decided cross join claim where refusal is null
      ),
      opened as (
        insert into payment (id, shop_id, order_id, method, amount, currency, state, secures, opened_at, updated_at, version)
        select ${commandId}, shop_id, id, ${method}, amount, currency, 'pending', true, ${at}, ${at}, 1 from to_apply
        returning id
      ),
      event as (
        insert into payment_event (payment_id, version, state, at) select id, 1, 'pending', ${at} from opened
      ),
      -- Nothing will be asked of it.
      forgotten as (
        delete from payment_source where payment_id = (select ${commandId}::uuid from decided cross join claim where refusal is not null)
      ),
      secured as (
        update orders set secured = to_apply.secured + to_apply.amount, stage = to_apply.stage from to_apply where orders.id = to_apply.id
      )
      select stage, null as reason, reason as refusal, reason is null as wakes from (${claimedOrRecorded(sql, key)}) as outcome
    `,
  );
}
