/** Finds the payments that have something left to do, and reads what each needs for it. */
import type { RestingStage } from '../../domain/stages.ts';
import type { Database } from '../connection.ts';
import type { Fragment, Queryable } from '../postgres.ts';
import { NIL_UUID } from '../schema/columns.ts';
import type { Payment } from './payments.ts';

/** What of a refund is still to be sent to a payment. */
export interface OwedRefund {
  commandId: string;
  amount: number;
}

/** A payment with all that its next step is decided on. */
export interface PaymentToAdvance extends Payment {
  stage: RestingStage;
  /** The order's own wallet. */
  walletId: string;
  /** What the buyer pays with. Null for a wallet's, once it is not needed any more, and after a day. */
  source: string | null;
  /** The first one first. */
  owed: OwedRefund[];
  /** What its wallet or its provider gave back of it for refunds so far. */
  sent: number;
  /** Whether its provider sent something about it since it was last asked. */
  isNotified: boolean;
}

/** Undefined when there is no such payment. */
export async function readPaymentToAdvance(
  database: Database,
  paymentId: string,
): Promise<PaymentToAdvance | undefined> {
  const [found] = await database.run(
    ({ sql }) => sql<PaymentToAdvance[]>`
      select
        payment.id, payment.shop_id as "shopId", payment.order_id as "orderId", method, amount, payment.currency, state, secures,
        payment.refunded, provider_id as "providerId", payment.reason, opened_at as "openedAt", payment.updated_at as "updatedAt",
        stage, wallet_id as "walletId", (select source from payment_source where payment_id = payment.id) as source,
        (
          select coalesce(
            json_agg(json_build_object('commandId', command_id, 'amount', refund_payment.amount) order by version), '[]'
          )
          from refund_payment join refund using (order_id, command_id)
          where payment_id = payment.id and state = 'owed'
        ) as owed,
        exists (
          select from payment_notification
          where reference = payment.id::text and payment_notification.state in ('received', 'unmatched')
        ) as "isNotified",
        (
          select coalesce(sum(sent.amount), 0)::bigint from refund_payment as sent
          where sent.order_id = payment.order_id and sent.payment_id = payment.id and sent.state = 'sent'
        ) as sent
      from payment join orders on orders.id = payment.order_id
      where payment.id = ${paymentId}
    `,
  );
  return found;
}

export interface PaymentKey {
  paymentId: string;
  orderId: string;
}

/** Whether a payment has something left to do. The first line is the condition of the index payment_unsettled. */
const isUnsettled = (sql: Queryable): Fragment => sql`
  state in ('pending', 'authorised', 'capturing') or (state = 'captured' and not secures)`;

/** The payments of an order that have something left to do, first to last. */
export async function listUnsettledOfOrder(database: Database, orderId: string): Promise<PaymentKey[]> {
  const rows = await database.run(
    ({ sql }) => sql<PaymentKey[]>`
      select id as "paymentId", order_id as "orderId" from payment
      where
        order_id = ${orderId}
        and (
          ${isUnsettled(sql)}
          or exists (select from refund_payment where payment_id = payment.id and refund_payment.state = 'owed')
        )
      order by id
    `,
  );
  return [...rows];
}

/** The last payment of a page: the next page begins after it. */
export interface UnsettledCursor {
  updatedAt: Date;
  paymentId: string;
}

export interface UnsettledPayment extends PaymentKey, UnsettledCursor {
  /** Of its order. */
  shopId: string;
  buyerId: string;
}

/** Before all payments. */
const FIRST: UnsettledCursor = { updatedAt: new Date(0), paymentId: NIL_UUID };

/**
 * A page of the payments of all orders that have something left to do, those that nothing happened to for the longest time first.
 * @param before leaves out what changed since.
 */
export async function listUnsettled(
  database: Database,
  { before, after = FIRST, limit }: { before: Date; after?: UnsettledCursor | undefined; limit: number },
): Promise<UnsettledPayment[]> {
  const rows = await database.run(({ sql }) => {
    const isOfPage = sql`
      payment.updated_at < ${before}
      and (payment.updated_at, payment.id) > (${after.updatedAt}::timestamptz, ${after.paymentId}::uuid)`;
    return sql<UnsettledPayment[]>`
      select found.*, orders.shop_id as "shopId", orders.buyer_id as "buyerId"
      from (
        (
          select updated_at as "updatedAt", id as "paymentId", order_id as "orderId" from payment
          where
            (${isUnsettled(sql)}) and ${isOfPage}
            -- One that has waited for its order for an hour was heard of. There may be many of them.
            and not (state = 'authorised' and secures and updated_at < ${before}::timestamptz - interval '1 hour')
          order by updated_at, id
          limit ${limit}
        )
        union
        (
          -- Few: what is owed is sent at once, unless a wallet is full.
          select distinct payment.updated_at, payment.id, payment.order_id
          from refund_payment join payment on payment.id = refund_payment.payment_id
          where refund_payment.state = 'owed' and ${isOfPage}
          order by payment.updated_at, payment.id
          limit ${limit}
        )
        order by "updatedAt", "paymentId"
        limit ${limit}
      ) as found
      join orders on orders.id = found."orderId"
      order by "updatedAt", "paymentId"
    `;
  });
  return [...rows];
}
