/** Reads what the database holds of all orders when the run is over. */
import type { Queryable } from '../../db/postgres.ts';
import { readPayments, type RecordedPayment } from './recorded-payments.ts';
import { readRefunds, type RecordedRefund } from './recorded-refunds.ts';

export interface RecordedOrder {
  id: string;
  stage: string;
  deadline: Date;
  /** Debits and captures. */
  payments: number;
  /** The money that these gave the shop. */
  taken: number;
  total: number;
  /** What the order says its payments in parts secure. */
  secured: number;
  /** What the order itself says was given back. */
  refunded: number;
  lines: readonly { sku: string; quantity: number; refunded: number }[];
  /** When its payment was accepted, or the last of its payments in parts, by the workflow's clock. */
  paidAt: Date | null;
  /** When it was released because it was not paid, by the workflow's clock. */
  expiredAt: Date | null;
  /** When that was written, by the database's clock. */
  expiryRecordedAt: Date | null;
}

export interface RecordedCommand {
  /** The stage that this command moved its order to; null when it moved none. */
  effect: string | null;
  /** The status of the answer that is kept under the key; null when none is kept. */
  kept: number | null;
}

export interface Recorded {
  orders: ReadonlyMap<string, RecordedOrder>;
  /** The order id of each create, by its key. */
  idOfKey: ReadonlyMap<string, string>;
  /** The outcome of each request that was sent, by its key. */
  commands: ReadonlyMap<string, RecordedCommand>;
  /** Every refund, by its order's id, first to last. */
  refunds: ReadonlyMap<string, readonly RecordedRefund[]>;
  /** Every payment in parts, by its order's id, first to last. */
  payments: ReadonlyMap<string, readonly RecordedPayment[]>;
  /** What was paid into each wallet. */
  deposits: ReadonlyMap<string, { count: number; amount: number }>;
  /** How many notifications of the provider were kept. */
  notifications: number;
  /** How many orders had their deadline put off. */
  extended: number;
  /** How often an order called for a person. */
  attentionMarks: number;
}

export async function readRecorded(sql: Queryable): Promise<Recorded> {
  // How did each order end, how often was it paid, and when?
  const orders = await sql<RecordedOrder[]>`
    select
      orders.id, orders.stage, orders.total, orders.secured, orders.refunded, payment_deadline as deadline,
      (select count(*)::integer from transfer where order_id = orders.id and kind in ('debit', 'capture')) as payments,
      (
        select coalesce(sum(entry.amount), 0)::bigint
        from transfer join entry on entry.transfer_id = transfer.id and entry.account = 'sales'
        where transfer.order_id = orders.id and transfer.kind in ('debit', 'capture')
      ) as taken,
      (
        select coalesce(json_agg(json_build_object('sku', sku, 'quantity', quantity, 'refunded', order_line.refunded)), '[]')
        from order_line
        where order_line.order_id = orders.id
      ) as lines,
      case
        when orders.secured = 0 then paid.at
        when paid.at is not null then (
          select max(payment.opened_at) from payment where payment.order_id = orders.id and payment.secures
        )
      end as "paidAt",
      expired.at as "expiredAt",
      release.recorded_at as "expiryRecordedAt"
    from orders
    left join order_event as paid on paid.order_id = orders.id and paid.stage = 'paid' and paid.from_stage = 'awaiting_payment'
    left join order_event as expired on expired.order_id = orders.id and expired.stage = 'expired'
    left join order_step as release
      on release.order_id = orders.id and release.step = 'release' and release.stage = 'expired'
  `;
  // Which order does the key of each create stand for?
  const keys = await sql<{ key: string; id: string }[]>`
    select key, command_id as id from idempotency_key where operation = 'createOrder'
  `;
  // What did each command do, and which answer does its key keep?
  const commands = await sql<(RecordedCommand & { key: string })[]>`
    select key, order_event.stage as effect, response_status as kept
    from idempotency_key
    left join order_event on order_event.command_id = idempotency_key.command_id
    where
      operation in ('createOrder', 'payOrder', 'cancelOrder', 'refundOrder', 'addPayment', 'voidPayment')
  `;
  // How much was paid into each wallet?
  const deposits = await sql<{ walletId: string; count: number; amount: number }[]>`
    select entry.wallet_id as "walletId", count(*)::integer as count, sum(entry.amount)::bigint as amount
    from transfer join entry on entry.transfer_id = transfer.id and entry.account = 'wallet'
    where transfer.kind = 'deposit'
    group by entry.wallet_id
  `;
  const [counts] = await sql<Pick<Recorded, 'attentionMarks' | 'notifications' | 'extended'>[]>`
    select
      (select count(*)::integer from attention) as "attentionMarks",
      (select count(*)::integer from payment_notification) as notifications,
      (select count(*)::integer from orders where deadline_extended) as extended
  `;
  return {
    orders: new Map(orders.map((order) => [order.id, order])),
    idOfKey: new Map(keys.map(({ key, id }) => [key, id])),
    payments: Map.groupBy(await readPayments(sql), ({ orderId }) => orderId),
    refunds: Map.groupBy(await readRefunds(sql), ({ orderId }) => orderId),
    commands: new Map(commands.map(({ key, ...command }) => [key, command])),
    deposits: new Map(deposits.map(({ walletId, ...all }) => [walletId, all])),
    ...(counts ?? { attentionMarks: 0, notifications: 0, extended: 0 }),
  };
}
