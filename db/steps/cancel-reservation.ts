/** The step that cancels a reservation before it is answered. On the wire: `abandon`. */
import { MAIN_SHOP } from '../../domain/shops.ts';
import type { Database } from '../connection.ts';
import { readAdjustments, recordAdjustments } from './adjustments.ts';
import { claimKey } from './fragments.ts';
import { runStep, type PlacedOrder, type StepResult } from './step.ts';

export interface CancelReservationRequest extends PlacedOrder {
  reason: string;
  commandId: string | null;
}

/**
 * Takes the reserve step's key for an order that was cancelled before its reservation was answered: a reserve attempt that is still
 * under way then finds the key and does nothing. When that attempt came first, the order's current state is returned instead, and
 * there is a reservation to release.
 */
export function cancelReservation(database: Database, order: CancelReservationRequest): Promise<StepResult> {
  const {
    orderId,
    shopId = MAIN_SHOP,
    buyerId,
    walletId,
    paymentMode,
    paymentDeadline,
    at,
    reason,
    commandId,
  } = order;
  const lines = JSON.stringify(order.lines);
  const isAdjusted = (order.adjustments ?? []).length > 0;
  return runStep(
    database,
    orderId,
    (sql) => sql<StepResult[]>`
      with
      ${isAdjusted ? sql`${readAdjustments(sql, [order])},` : sql``}
      ${claimKey(sql, { orderId, step: 'reserve' }, sql`select 'cancelled' as stage, ${reason} as reason`)},
      placed as (
        insert into orders (
          id, shop_id, buyer_id, wallet_id, payment_mode, stage, reason, payment_deadline, created_at, updated_at, version
        )
        select
          ${orderId}, ${shopId}, ${buyerId}, ${walletId}, ${paymentMode}, stage, reason, ${paymentDeadline}, ${at}, ${at}, 1
        from claim
      ),
      placed_line as (
        insert into order_line (order_id, sku, quantity ${isAdjusted ? sql`, adjustment` : sql``})
        select
          ${orderId}, line.sku, sum(line.quantity)::bigint
          ${isAdjusted ? sql`, coalesce((select amount from adjusted_line where adjusted_line.sku = line.sku), 0)` : sql``}
        from claim cross join jsonb_to_recordset(${lines}::jsonb) as line (sku text, quantity bigint)
        group by line.sku
      ),
      ${isAdjusted ? sql`${recordAdjustments(sql, sql`select ${orderId}::uuid as order_id, 0 as place from claim`)},` : sql``}
      event as (
        insert into order_event (order_id, version, stage, reason, command_id, at)
        select ${orderId}, 1, stage, reason, ${commandId}, ${at} from claim
      )
      select stage, reason, null as refusal from claim
      union all
      -- The order's stage and not the key's: what has happened since then counts, too.
      select stage, reason, null from orders where id = ${orderId}
    `,
  );
}
