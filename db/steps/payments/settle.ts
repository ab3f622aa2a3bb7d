/** The step that turns an order's payments into a paid order. */
import { v7 as uuidv7 } from 'uuid';
import type { Database } from '../../connection.ts';
import {
  claimedOrRecorded,
  claimKey,
  heldSkus,
  lockOrder,
  lockSkus,
  moveOrder,
  sellUnits,
  type StepKey,
} from '../fragments.ts';
import { lockSecuring } from './fragments.ts';
import { runStep, type StepResult, type StepRow } from '../step.ts';

export interface SettleRequest {
  orderId: string;
  /** ISO 8601, the workflow's time. */
  at: string;
}

/** Why an order is not paid by its payments yet. */
export const UNSETTLED = ['not_covered', 'capturing'] as const;
export type Unsettled = (typeof UNSETTLED)[number];

/**
 * Goes as far as the order's payments allow. When what is authorised and captured covers the total, all that is authorised becomes
 * `capturing`, and the refusal is `capturing`. Once all of it is captured the money is the shop's, the units are consumed and the order is
 * `paid`. Otherwise the order stays, with refusal `not_covered`; or, when it does not await payment, `order_not_payable`.
 * Only `paid` has a key: whatever else it finds may be different next time.
 */
export function settle(database: Database, { orderId, at }: SettleRequest): Promise<StepResult> {
  const transferId = uuidv7();
  const key: StepKey = { orderId, step: 'settle' };
  return runStep(
    database,
    orderId,
    (sql) => sql<StepRow[]>`
      with
      ${lockOrder(sql, orderId)},
      ${lockSkus(sql, heldSkus(sql))},
      ${lockSecuring(sql)},
      covering as materialized (
        select
          coalesce(sum(amount) filter (where state in ('authorised', 'capturing', 'captured')), 0) as covered,
          coalesce(sum(amount) filter (where state = 'captured'), 0) as captured
        from locked_payment
      ),
      decided as materialized (
        select
          locked_order.*,
          case
            when stage <> 'awaiting_payment' then 'order_not_payable'
            when covered < total then 'not_covered'
            when captured < total then 'capturing'
          end as refusal
        from locked_order cross join covering
        where stage <> 'awaiting_payment' or (select are_all from locked_payments)
      ),
      ${claimKey(sql, key, sql`select 'paid' as stage, null as reason from decided where refusal is null`)},
      asked as (
        update payment
        set
          state = 'capturing', secures = true, refunded = locked_payment.refunded, version = locked_payment.version + 1,
          updated_at = ${at}
        from locked_payment cross join decided
        where payment.id = locked_payment.id and locked_payment.state = 'authorised' and decided.refusal = 'capturing'
        returning payment.id, payment.version
      ),
      asked_event as (
        insert into payment_event (payment_id, version, from_state, state, at)
        select id, version, 'authorised', 'capturing', ${at} from asked
      ),
      to_apply as (
        select decided.* from decided cross join claim
      ),
      movement as (
        insert into transfer (id, shop_id, kind, order_id) select ${transferId}, shop_id, 'capture', id from to_apply
      ),
      leg as (
        insert into entry (shop_id, transfer_id, account, amount, currency)
        select shop_id, ${transferId}::uuid, account, case account when 'sales' then total else -total end, currency
        from to_apply cross join (values ('clearing'), ('sales')) as side (account)
      ),
      ${sellUnits(sql)},
      ${moveOrder(sql, { to: 'paid', reason: null, commandId: null, at })}
      select stage, null as reason, null as refusal, false as wakes from (${claimedOrRecorded(sql, key)}) as outcome
      union all
      -- Only a snapshot that has the order as it is locked has the key of an attempt that paid it.
      select decided.stage, null, refusal, refusal = 'capturing'
      from decided join orders on orders.id = decided.id and orders.version = decided.version
      where refusal is not null and not exists (select from order_step where order_id = ${orderId} and step = 'settle')
    `,
  );
}
