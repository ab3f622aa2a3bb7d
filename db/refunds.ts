/** Reads recorded refunds. Only the refund step in steps/ writes them. */
import type { Database } from './connection.ts';
import { NIL_UUID } from './schema/columns.ts';

/** A refund of an order. */
export interface Refund {
  /** Null for the refund of an operator's or the Web UI's cancel, and where it is not known any more. */
  commandId: string | null;
  /** Of the order's event that records it. */
  version: number;
  /** Minor units. */
  amount: number;
  currency: string;
  reason: string;
  at: Date;
  /** The units that it is of, in SKU order; none when it is of an amount. */
  lines: { sku: string; quantity: number; amount: number; restocked: boolean }[];
}

/** An order's refunds, oldest first, beginning after version `after`. */
export async function listRefunds(
  database: Database,
  orderId: string,
  { after, limit }: { after: number; limit: number },
): Promise<Refund[]> {
  const rows = await database.run(
    ({ sql }) => sql<(Omit<Refund, 'lines'> & { lines: Refund['lines'] | null })[]>`
      select
        nullif(command_id, ${NIL_UUID}) as "commandId", version, amount, currency, reason, at,
        (
          select
            json_agg(
              json_build_object('sku', sku, 'quantity', quantity, 'amount', amount, 'restocked', restocked) order by sku
            )
          from refund_line
          where refund_line.order_id = refund.order_id and refund_line.command_id = refund.command_id
        ) as lines
      from refund
      where order_id = ${orderId} and version > ${after}
      order by version
      limit ${limit}
    `,
  );
  return rows.map(({ lines, ...refund }) => ({ ...refund, lines: lines ?? [] }));
}

interface PromisedRefund {
  orderId: string;
  /** Null when it is unknown, or when it is of all that is left. */
  commandId: string | null;
}

/** Which of these refunds, of orders that are paid, are not recorded. */
export async function listUnmadeRefunds(
  database: Database,
  refunds: readonly PromisedRefund[],
): Promise<PromisedRefund[]> {
  if (refunds.length === 0) return [];
  return database.run(
    ({ sql }) => sql<PromisedRefund[]>`
      -- Which of these refunds are still to be made? Once nothing is left of an order's payment, no refund of it is.
      select promised."orderId", promised."commandId"
      from jsonb_to_recordset(${JSON.stringify(refunds)}::text::jsonb) as promised ("orderId" uuid, "commandId" uuid)
      join orders on orders.id = promised."orderId" and orders.stage = 'paid'
      where not exists (
        select from refund where refund.order_id = promised."orderId" and refund.command_id = promised."commandId"
      )
    `,
  );
}
