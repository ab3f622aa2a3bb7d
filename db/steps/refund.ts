import { v7 as uuidv7 } from 'uuid';
import { WALLET_FULL } from '../../domain/attention.ts';
import type { Database } from '../connection.ts';
import { BALANCE_LIMIT } from '../../domain/limits.ts';
import { runStep, type StepResult } from './step.ts';

export interface RefundRequest {
  orderId: string;
  reason: string;
  commandId: string | null;
  /** Whether the units go back on hand. */
  restock: boolean;
  at: string;
  /** Whether a wallet without room is an answer. Left out, it is a failure, which is tried again. */
  mayWait?: boolean;
}

/**
 * Puts the money of a paid order back into its wallet, and the units on hand if asked.
 * Leads to `refunded`; for an order that is not paid, to the stage that it has, with refusal `order_not_refundable`. When the money
 * does not fit into the wallet nothing is recorded, and the order stays `paid`, with refusal `wallet_full`.
 */
export function refund(
  database: Database,
  { orderId, reason, commandId, restock, at }: RefundRequest,
): Promise<StepResult> {
  const transferId = uuidv7();
  return runStep(
    database,
    orderId,
    (sql) => sql<StepResult[]>`
      with target as materialized (
        select id, wallet_id, stage, total, currency, version from orders where id = ${orderId} for no key update
      ),
      stock as materialized (
        select sku
        from sku
        where sku in (select sku from reservation where order_id = (select id from target) and ${restock}::boolean)
        order by sku
        for no key update
      ),
      purse as materialized (
        -- Counting the SKUs makes them be locked before the wallet, in key order.
        select id, posted, held
        from wallet
        where id = (select wallet_id from target where stage = 'paid') and (select count(*) from stock) >= 0
        for no key update
      ),
      decided as (
        select target.id, purse.posted + target.total <= ${BALANCE_LIMIT}::bigint as fits
        from target join purse on purse.id = target.wallet_id
      ),
      claim as (
        insert into order_step (order_id, step, stage, reason)
        select ${orderId}, 'refund', 'refunded', ${reason}
        from decided
        where fits
        on conflict do nothing
        returning stage, reason
      ),
      due as (
        select target.* from target cross join claim
      ),
      movement as (
        insert into transfer (id, kind, order_id) select ${transferId}, 'refund', id from due
      ),
      given_back as (
        update wallet set posted = purse.posted + due.total, held = purse.held
        from due join purse on purse.id = due.wallet_id
        where wallet.id = purse.id
        returning wallet.id, wallet.posted, wallet.held
      ),
      leg as (
        insert into entry (transfer_id, account, wallet_id, amount, currency, posted_after, held_after)
        select ${transferId}::uuid, 'wallet', given_back.id, due.total, due.currency, given_back.posted, given_back.held
        from due cross join given_back
        union all
        select ${transferId}::uuid, 'sales', null, -due.total, due.currency, null, null
        from due
      ),
      returned as (
        insert into stock_movement (id, sku, kind, quantity, order_id)
        select gen_random_uuid(), reservation.sku, 'return', reservation.quantity, due.id
        -- A paid order's reservations are all consumed. This statement's snapshot may be of a moment before that.
        from due join reservation on reservation.order_id = due.id
        where ${restock}::boolean
        returning sku, quantity
      ),
      restocked as (
        update sku set on_hand = sku.on_hand + returned.quantity
        from returned
        where sku.sku = returned.sku
      ),
      event as (
        insert into order_event (order_id, version, from_stage, stage, reason, command_id, at)
        select id, version + 1, stage, 'refunded', ${reason}, ${commandId}, ${at} from due
      ),
      moved as (
        update orders set stage = 'refunded', reason = ${reason}, version = due.version + 1, updated_at = ${at}
        from due
        where orders.id = due.id
      ),
      recorded as (
        select stage, reason from order_step where order_id = ${orderId} and step = 'refund'
      )
      select stage, reason, null as refusal from claim
      union all
      select stage, reason, null from recorded
      union all
      -- An order that cannot be refunded leaves no key: it may still be paid, and then refunded.
      select stage, null, 'order_not_refundable' from target where stage not in ('paid', 'refunded')
      union all
      select 'paid', null, ${WALLET_FULL} from decided where not fits
    `,
  );
}
