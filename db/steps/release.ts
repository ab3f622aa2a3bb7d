import type { Database } from '../connection.ts';
import { runStep, type StepResult } from './step.ts';

export interface ReleaseRequest {
  orderId: string;
  to: 'cancelled' | 'expired';
  reason: string;
  commandId: string | null;
  at: string;
}

/**
 * Gives back what an unpaid order holds: its units, and in `hold` mode its money.
 * Leads to the stage asked for, or, when the database already has the order elsewhere, to that stage and no effect.
 */
export function release(
  database: Database,
  { orderId, to, reason, commandId, at }: ReleaseRequest,
): Promise<StepResult> {
  return runStep(
    database,
    orderId,
    (sql) => sql<StepResult[]>`
      with target as materialized (
        select id, wallet_id, stage, reason, version from orders where id = ${orderId} for no key update
      ),
      stock as materialized (
        select sku, on_hand, reserved
        from sku
        where sku in (select sku from reservation where order_id = (select id from target) and state = 'held')
        order by sku
        for no key update
      ),
      purse as materialized (
        -- Only a hold changes the wallet. Counting the SKUs makes them be locked before it.
        select posted, held
        from wallet
        where
          id = (select wallet_id from hold where order_id = (select id from target) and state = 'held')
          and (select count(*) from stock) >= 0
        for no key update
      ),
      claim as (
        insert into order_step (order_id, step, stage, reason)
        select
          ${orderId}, 'release',
          case stage when 'awaiting_payment' then ${to} else stage end,
          case stage when 'awaiting_payment' then ${reason} else reason end
        from target
        -- Counting the wallet makes it be locked here, after the SKUs.
        where (select count(*) from purse) >= 0
        on conflict do nothing
        returning stage, reason
      ),
      due as (
        select target.* from target cross join claim where target.stage = 'awaiting_payment'
      ),
      released as (
        update reservation set state = 'released'
        from due
        where reservation.order_id = due.id and reservation.state = 'held'
        returning reservation.sku, reservation.quantity
      ),
      returned_units as (
        update sku set on_hand = stock.on_hand, reserved = stock.reserved - released.quantity
        from released join stock using (sku)
        where sku.sku = released.sku
      ),
      voided as (
        update hold set state = 'voided'
        from due
        where hold.order_id = due.id and hold.state = 'held'
        returning hold.wallet_id, hold.amount
      ),
      returned_money as (
        update wallet set posted = purse.posted, held = purse.held - voided.amount
        from voided cross join purse
        where wallet.id = voided.wallet_id
      ),
      event as (
        insert into order_event (order_id, version, from_stage, stage, reason, command_id, at)
        select id, version + 1, stage, ${to}, ${reason}, ${commandId}, ${at} from due
      ),
      moved as (
        update orders set stage = ${to}, reason = ${reason}, version = due.version + 1, updated_at = ${at}
        from due
        where orders.id = due.id
      )
      select stage, reason, null as refusal from claim
      union all
      select stage, reason, null from order_step where order_id = ${orderId} and step = 'release'
    `,
  );
}
