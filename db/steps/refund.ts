/** The refund step: compensates a payment. */
import { v7 as uuidv7 } from 'uuid';
import { WALLET_FULL } from '../../domain/attention.ts';
import { BALANCE_LIMIT } from '../../domain/limits.ts';
import { ORDER_TOO_OLD, type RefundPart } from '../../domain/order.ts';
import type { Database } from '../connection.ts';
import {
  bookLegs,
  claimedOrRecorded,
  claimKey,
  lockOrder,
  lockSkus,
  lockWallet,
  moveOrder,
  type StepKey,
} from './fragments.ts';
import { runStep, type StepResult } from './step.ts';

export interface RefundRequest extends RefundPart {
  orderId: string;
  reason: string;
  commandId: string | null;
  at: string;
  /** Whether a wallet without room is an answer. Left out, it is a failure, which is retried. */
  mayWait?: boolean;
}

/**
 * Puts the money of a paid order back into its wallet, and the units on hand if asked.
 * Leads to `refunded`; for an order that is not paid, to the stage that it has, with refusal `order_not_refundable`. When the money
 * does not fit into the wallet, or the order's events are no longer kept, nothing is recorded, and the order stays `paid`, with refusal
 * `wallet_full` or `order_too_old`.
 */
export function refund(
  database: Database,
  { orderId, reason, commandId, restock, at }: RefundRequest,
): Promise<StepResult> {
  const transferId = uuidv7();
  const key: StepKey = { orderId, step: 'refund' };
  return runStep(
    database,
    orderId,
    (sql) => sql<StepResult[]>`
      with
      ${lockOrder(sql, orderId)},
      ${lockSkus(
        sql,
        sql`select sku from reservation where order_id = (select id from locked_order) and ${restock}::boolean`,
      )},
      ${lockWallet(sql, sql`select wallet_id from locked_order where stage = 'paid'`)},
      decided as (
        select
          case
            -- No event follows one that was dropped.
            when events_are_dropped(locked_order.id) then ${ORDER_TOO_OLD}
            when locked_wallet.posted + locked_order.total > ${BALANCE_LIMIT}::bigint then ${WALLET_FULL}
          end as refusal
        from locked_order join locked_wallet on locked_wallet.id = locked_order.wallet_id
      ),
      ${claimKey(sql, key, sql`select 'refunded' as stage, ${reason} as reason from decided where refusal is null`)},
      to_apply as (
        select locked_order.*, total as amount from locked_order cross join claim
      ),
      movement as (
        insert into transfer (id, shop_id, kind, order_id) select ${transferId}, shop_id, 'refund', id from to_apply
      ),
      changed_wallet as (
        update wallet set posted = locked_wallet.posted + to_apply.total, held = locked_wallet.held
        from to_apply join locked_wallet on locked_wallet.id = to_apply.wallet_id
        where wallet.id = locked_wallet.id
        returning wallet.id, wallet.posted, wallet.held
      ),
      ${bookLegs(sql, transferId, 'sales')},
      returned as (
        insert into stock_movement (id, shop_id, sku, kind, quantity, order_id)
        select gen_random_uuid(), reservation.shop_id, reservation.sku, 'return', reservation.quantity, to_apply.id
        -- A paid order's reservations are all consumed. This statement's snapshot may be of a moment before that.
        from to_apply join reservation on reservation.order_id = to_apply.id
        where ${restock}::boolean
        returning shop_id, sku, quantity
      ),
      restocked as (
        update sku set on_hand = sku.on_hand + returned.quantity
        from returned
        where sku.shop_id = returned.shop_id and sku.sku = returned.sku
      ),
      ${moveOrder(sql, { to: 'refunded', reason, commandId, at })}
      select stage, reason, null as refusal from (${claimedOrRecorded(sql, key)}) as outcome
      union all
      -- An order that cannot be refunded leaves no key: it may still be paid, and then refunded.
      select stage, null, 'order_not_refundable' from locked_order where stage not in ('paid', 'refunded')
      union all
      select 'paid', null, refusal from decided where refusal is not null
    `,
  );
}
