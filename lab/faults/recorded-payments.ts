/** Reads what the database holds of all payments in parts when the run is over, with what the ledger has of each. */
import type { Queryable } from '../../db/postgres.ts';
import type { PaymentMethod, PaymentState } from '../../domain/payments.ts';

export interface RecordedPayment {
  id: string;
  orderId: string;
  /** Of the request that opened it; null when no caller sent one. */
  key: string | null;
  method: PaymentMethod;
  amount: number;
  state: PaymentState;
  /** Whether the order counts on it. */
  secures: boolean;
  /** Why it was declined, voided or returned. */
  reason: string | null;
  /** What refunds of the order gave back of it, sent or not, as the payment itself says. */
  refunded: number;
  /** The same, as its refunds say; what of that is not sent yet. */
  refunds: number;
  owed: number;
  /** What its wallet still holds for it. */
  held: number;
  /** What the ledger took for it from the provider or the wallet. */
  received: number;
  /** What the ledger gave back, where it came from and into the order's wallet instead. */
  returned: number;
  toWallet: number;
}

export async function readPayments(sql: Queryable): Promise<RecordedPayment[]> {
  // Which payments were made, for which request, and which money moved for each?
  const payments = await sql<RecordedPayment[]>`
    select
      payment.id, payment.order_id as "orderId", idempotency_key.key, payment.method, payment.amount, payment.state,
      payment.secures, payment.reason, payment.refunded,
      refunds.given as refunds, refunds.owed,
      (
        select coalesce(sum(hold.amount), 0)::bigint from payment_hold as hold
        where hold.payment_id = payment.id and hold.state = 'held'
      ) as held,
      moved.received, moved.returned, moved."toWallet"
    from payment
    left join idempotency_key on idempotency_key.command_id = payment.id and idempotency_key.operation = 'addPayment'
    cross join lateral (
      select
        coalesce(sum(refund_payment.amount), 0)::bigint as given,
        coalesce(sum(refund_payment.amount) filter (where refund_payment.state = 'owed'), 0)::bigint as owed
      from refund_payment
      where payment_id = payment.id
    ) as refunds
    cross join lateral (
      select
        coalesce(-sum(entry.amount) filter (where kind = 'receipt' and account = method), 0)::bigint as received,
        coalesce(sum(entry.amount) filter (where kind = 'return' and account = method), 0)::bigint as returned,
        coalesce(sum(entry.amount) filter (where kind = 'return' and account = 'wallet' and method <> 'wallet'), 0)::bigint as "toWallet"
      from transfer join entry on entry.transfer_id = transfer.id
      where payment_id = payment.id
    ) as moved
    order by payment.order_id, payment.id
  `;
  return [...payments];
}

/** What stays in clearing, which should be nothing once nothing is open, and notifications that nobody acted on. */
export interface PaymentRemains {
  clearing: readonly { orderId: string; amount: number }[];
  waitingNotifications: readonly { id: string; reference: string; state: string }[];
}

export async function readPaymentRemains(sql: Queryable): Promise<PaymentRemains> {
  // Which orders have money in clearing?
  const clearing = await sql<{ orderId: string; amount: number }[]>`
    select transfer.order_id as "orderId", sum(entry.amount)::bigint as amount
    from transfer join entry on entry.transfer_id = transfer.id
    where account = 'clearing'
    group by transfer.order_id
    having sum(entry.amount) <> 0
  `;
  // Which notifications made nobody ask?
  const waiting = await sql<{ id: string; reference: string; state: string }[]>`
    select id, reference, state from payment_notification where state in ('received', 'unmatched')
  `;
  return { clearing: [...clearing], waitingNotifications: [...waiting] };
}
