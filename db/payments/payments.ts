/** Reads payments and how they stand. Only the statements in steps/payments/ write them. */
import type { PaymentMethod, PaymentState, RefundPaymentState } from '../../domain/payments.ts';
import type { Database } from '../connection.ts';
import type { Fragment, Queryable } from '../postgres.ts';

export interface Payment {
  id: string;
  shopId: string;
  orderId: string;
  method: PaymentMethod;
  /** In minor units. */
  amount: number;
  currency: string;
  state: PaymentState;
  /** Whether the order counts on it. */
  secures: boolean;
  /** What of it was given back by refunds of the order, sent or owed. */
  refunded: number;
  /** Null while the provider has not answered. */
  providerId: string | null;
  reason: string | null;
  openedAt: Date;
  updatedAt: Date;
}

const columns = (sql: Queryable): Fragment => sql`
  id, shop_id as "shopId", order_id as "orderId", method, amount, currency, state, secures, refunded, provider_id as "providerId", reason,
  opened_at as "openedAt", updated_at as "updatedAt"`;

/** Undefined when there is none within reach. */
export async function findPayment(database: Database, paymentId: string): Promise<Payment | undefined> {
  const [found] = await database.run(
    ({ sql }) => sql<Payment[]>`select ${columns(sql)} from payment where id = ${paymentId}`,
  );
  return found;
}

/** An order's payments, first to last: never more than a few. */
export async function listPayments(database: Database, orderId: string): Promise<Payment[]> {
  const rows = await database.run(
    ({ sql }) => sql<Payment[]>`select ${columns(sql)} from payment where order_id = ${orderId} order by id`,
  );
  return [...rows];
}

/** What of a refund goes back to a payment. */
export interface RefundOfPayment {
  commandId: string;
  paymentId: string;
  amount: number;
  state: RefundPaymentState;
}

/** What an order's refunds give back to its payments, refund by refund. */
export async function listRefundsOfPayments(database: Database, orderId: string): Promise<RefundOfPayment[]> {
  const rows = await database.run(
    ({ sql }) => sql<RefundOfPayment[]>`
      select command_id as "commandId", payment_id as "paymentId", amount, state
      from refund_payment
      where order_id = ${orderId}
      order by command_id, payment_id
    `,
  );
  return [...rows];
}
