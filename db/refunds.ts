/** Reads recorded refunds. Only the step in steps/refund.ts writes them. */
import type { RefundPaymentState } from '../domain/payments.ts';
import { REFUND_REFUSALS, type RefundRefusal } from '../domain/order.ts';
import type { Database } from './connection.ts';
import type { Fragment, Queryable } from './postgres.ts';
import { NIL_UUID } from './schema/columns.ts';
import type { refund, refundLine } from './schema/refunds.ts';

export interface Refund extends Omit<typeof refund.$inferSelect, 'orderId' | 'shopId' | 'commandId'> {
  /** Null for the Web UI's Cancel, and for refunds from before 0.8 whose events were dropped. */
  commandId: string | null;
  /** In SKU order; none when an amount was refunded. */
  lines: Pick<typeof refundLine.$inferSelect, 'sku' | 'quantity' | 'amount' | 'restocked'>[];
  /** What of it goes back to payments, the first one first; none when all of it went into the order's wallet at once. */
  payments: { paymentId: string; amount: number; state: RefundPaymentState }[];
}

/** The lines of the row of `refund` that a query is at. */
export const linesOfRefund = (sql: Queryable): Fragment => sql`
  (
    select coalesce(
      json_agg(
        json_build_object('sku', sku, 'quantity', quantity, 'amount', refund_line.amount, 'restocked', restocked) order by sku
      ),
      '[]'
    )
    from refund_line
    where refund_line.order_id = refund.order_id and refund_line.command_id = refund.command_id
  )
`;

/** What of the row of `refund` that a query is at goes back to payments. */
const paymentsOfRefund = (sql: Queryable): Fragment => sql`
  (
    select coalesce(
      json_agg(json_build_object('paymentId', payment_id, 'amount', refund_payment.amount, 'state', state) order by payment_id), '[]'
    )
    from refund_payment
    where refund_payment.order_id = refund.order_id and refund_payment.command_id = refund.command_id
  )
`;

/** An order's refunds, first to last, beginning after the event `after`. */
export async function listRefunds(
  database: Database,
  orderId: string,
  { after, limit }: { after: number; limit: number },
): Promise<Refund[]> {
  const rows = await database.run(
    ({ sql }) => sql<Refund[]>`
      select
        nullif(command_id, ${NIL_UUID}) as "commandId", version, amount, currency, reason, at, transfer_id as "transferId",
        ${linesOfRefund(sql)} as lines, ${paymentsOfRefund(sql)} as payments
      from refund
      where order_id = ${orderId} and version > ${after}
      order by version
      limit ${limit}
    `,
  );
  return [...rows];
}

/** Why this refund was refused for good; undefined when it was made, or nothing is recorded of it. */
export async function findRefundRefusal(
  database: Database,
  orderId: string,
  commandId: string,
): Promise<RefundRefusal | undefined> {
  const [recorded] = await database.run(
    ({ sql }) => sql<{ reason: string | null }[]>`
      -- The key of a refund that was made has the stage it led to, and a reason only when that is refunded.
      select reason from order_step
      where order_id = ${orderId} and step = 'refund' and command_id = ${commandId} and stage = 'paid'
    `,
  );
  return REFUND_REFUSALS.find((known) => known === recorded?.reason);
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
