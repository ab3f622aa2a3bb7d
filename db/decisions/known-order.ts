/** Records an order that is not recorded, from what is known of it elsewhere. */
import type { Money, OrderContents } from '../../domain/order.ts';
import { MAIN_SHOP } from '../../domain/shops.ts';
import type { RestingStage } from '../../domain/stages.ts';
import type { Database } from '../connection.ts';
import type { Queryable } from '../postgres.ts';
import { cancelReservation } from '../steps/cancel-reservation.ts';
import { reserve } from '../steps/reserve.ts';
import { refuseUnless } from './refused.ts';

/** As the order's workflow was started, or as its caller was answered. */
export interface KnownOrder {
  contents: OrderContents;
  paymentDeadline: string;
  /** What the answer to its caller said that it comes to; null when only its workflow is known. */
  total: Money | null;
  createdAt: string;
}

/** The answer that a caller got when the order was placed, while its key is kept; null when nobody was answered. */
export async function findAnswer(
  database: Database,
  orderId: string,
): Promise<{ shopId: string; body: unknown } | undefined> {
  const [row] = await database.run(
    ({ sql }) => sql<{ shopId: string; body: unknown }[]>`
      select shop_id as "shopId", response_body as body from idempotency_key
      where operation = 'createOrder' and command_id = ${orderId} and response_status = 201
      limit 1
    `,
  );
  return row;
}

/** Rows that only its own row is missing to. */
export async function refuseIfRowsAreLeft(sql: Queryable, orderId: string): Promise<void> {
  const left = await sql`
    select from order_step where order_id = ${orderId}
    union all
    select from order_line where order_id = ${orderId}
    union all
    select from order_event where order_id = ${orderId}
    limit 1
  `;
  refuseUnless(left.length === 0, 'Its steps, lines or events are still there: restore its row alone.');
}

/** Reserves what its caller was promised, for the time that is left. */
export async function recordAgain(
  within: Database,
  orderId: string,
  { contents, paymentDeadline, total }: KnownOrder,
  at: string,
): Promise<void> {
  refuseUnless(
    paymentDeadline > at,
    `It was to be paid by ${paymentDeadline}, which is over: record it as cancelled.`,
  );
  const placed = { ...contents, ...(total && { expectedTotal: total }), orderId, paymentDeadline, at };
  const { stage, reason } = await reserve(within, placed);
  refuseUnless(
    stage === 'awaiting_payment',
    `It would be ${stage}${reason === null ? '' : ` (${reason})`}: record it as cancelled.`,
  );
}

export async function recordCancelled(
  within: Database,
  orderId: string,
  { contents, paymentDeadline }: KnownOrder,
  { reason, at }: { reason: string; at: string },
): Promise<void> {
  await cancelReservation(within, { ...contents, orderId, paymentDeadline, reason, commandId: null, at });
}

/** The order's row alone is gone: its events say where it was, and its lines are still there. */
export async function restoreRow(
  sql: Queryable,
  orderId: string,
  { contents, paymentDeadline, total, createdAt }: KnownOrder,
): Promise<RestingStage> {
  const { shopId = MAIN_SHOP, buyerId, walletId, paymentMode } = contents;
  refuseUnless(total !== null, 'Nobody was answered what it comes to.');
  const [restored] = await sql<{ stage: RestingStage }[]>`
    insert into orders (
      id, shop_id, buyer_id, wallet_id, payment_mode, stage, reason, currency, total, refunded, secured, payment_deadline, created_at,
      updated_at, version
    )
    select
      order_id, ${shopId}, ${buyerId}, ${walletId}, ${paymentMode}, stage, case when stage <> 'paid' then reason end,
      ${total.currency}, ${total.amount},
      (select coalesce(sum(amount), 0) from refund where refund.order_id = ${orderId}),
      (select coalesce(sum(amount), 0) from payment where payment.order_id = ${orderId} and secures),
      ${paymentDeadline}, ${createdAt}, at, version
    from order_event
    where order_id = ${orderId}
    order by version desc
    limit 1
    returning stage
  `;
  refuseUnless(restored !== undefined, 'It has no events, which would say how far it was.');
  return restored.stage;
}
