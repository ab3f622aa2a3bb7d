/** Reads what the database holds of all refunds when the run is over. */
import type { Queryable } from '../../db/postgres.ts';

export interface RecordedRefund {
  orderId: string;
  /** Of the command that it is recorded for; null when no caller sent one. */
  key: string | null;
  /** Of the order's event that records it. */
  version: number;
  amount: number;
  /** The money that it took from the shop. */
  given: number;
  lines: readonly {
    sku: string;
    quantity: number;
    /** Units that it put on hand. */
    returned: number;
  }[];
}

export async function readRefunds(sql: Queryable): Promise<RecordedRefund[]> {
  // Which refunds were made, for which request, and which money and units did each move?
  const refunds = await sql<RecordedRefund[]>`
    select
      refund.order_id as "orderId", idempotency_key.key, refund.version, refund.amount,
      (
        select coalesce(-sum(entry.amount), 0)::bigint
        from transfer join entry on entry.transfer_id = transfer.id and entry.account = 'sales'
        where transfer.kind = 'refund' and transfer.order_id = refund.order_id and transfer.command_id = refund.command_id
      ) as given,
      (
        select coalesce(
          json_agg(
            json_build_object(
              'sku', line.sku, 'quantity', line.quantity, 'returned',
              (
                select coalesce(sum(movement.quantity), 0)::integer
                from stock_movement as movement
                where
                  movement.kind = 'return' and movement.order_id = line.order_id
                  and movement.command_id = line.command_id and movement.sku = line.sku
              )
            )
            order by line.sku
          ),
          '[]'
        )
        from refund_line as line
        where line.order_id = refund.order_id and line.command_id = refund.command_id
      ) as lines
    from refund
    left join idempotency_key on
      idempotency_key.command_id = refund.command_id and idempotency_key.operation in ('cancelOrder', 'refundOrder')
    order by refund.order_id, refund.version
  `;
  return [...refunds];
}
