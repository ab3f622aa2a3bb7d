/** Takes orders through payments in parts by the statements alone, as workers do: what a provider answers, the test says. */
import { expect } from 'vitest';
import { v7 as uuidv7 } from 'uuid';
import type { Database } from '../../db/connection.ts';
import { capturePaymentHold, holdPayment } from '../../db/payments/wallet.ts';
import type { Sql } from '../../db/postgres.ts';
import { openPayment } from '../../db/steps/payments/open-payment.ts';
import { recordPayment, type RecordPaymentRequest } from '../../db/steps/payments/record-payment.ts';
import { settle } from '../../db/steps/payments/settle.ts';
import { reserve } from '../../db/steps/reserve.ts';
import type { PlacedOrder, StepResult } from '../../db/steps/step.ts';
import type { PaymentMethod } from '../../domain/payments.ts';
import { AT, anOrder } from './step-requests.ts';
import { fundedWallet, stockedSku } from './stock.ts';

export interface Part {
  method: PaymentMethod;
  /** Left out for all that is not secured yet. */
  amount?: number;
}

export type News = Omit<RecordPaymentRequest, 'paymentId' | 'at'>;

/** What is to be done with the payments of the orders in one database. */
export function paymentSteps({ database, sql }: { database: Database; sql: Sql }) {
  /** An order of one unit that awaits payment. */
  async function openOrder(
    price = 1_000,
    { funds = 1_000_000, ...given }: Partial<PlacedOrder> & { funds?: number } = {},
  ) {
    const { shopId, buyerId = 'buyer' } = given;
    const ofShop = shopId === undefined ? {} : { shopId };
    const walletId = given.walletId ?? (await fundedWallet(sql, { ...ofShop, ownerId: buyerId, funds }));
    const sku = await stockedSku(sql, { ...ofShop, onHand: 10, price });
    const order = anOrder({ ...given, walletId, lines: [{ sku, quantity: 1 }] });
    expect(await reserve(database, order)).toMatchObject({ stage: 'awaiting_payment' });
    return { orderId: order.orderId, walletId, sku };
  }

  const ask = (orderId: string, part: Part, commandId = uuidv7()): Promise<StepResult> =>
    openPayment(database, { orderId, commandId, at: AT, ...part });

  /** Opens a payment. Returns its id. */
  async function open(orderId: string, part: Part): Promise<string> {
    const paymentId = uuidv7();
    expect(await ask(orderId, part, paymentId)).toMatchObject({ refusal: null });
    return paymentId;
  }

  const hear = (paymentId: string, news: News) => recordPayment(database, { paymentId, at: AT, ...news });

  /** Opens a payment whose money is set aside. Returns its id. */
  async function authorise(orderId: string, part: Part): Promise<string> {
    const paymentId = await open(orderId, part);
    if (part.method === 'wallet')
      expect(await holdPayment(database, { paymentId, orderId })).toMatchObject({ state: 'held' });
    await hear(paymentId, { state: 'authorised', providerId: `at-provider-${paymentId}` });
    return paymentId;
  }

  /** Takes the money of a payment, as its provider or its wallet does. */
  async function capture(paymentId: string): Promise<void> {
    await capturePaymentHold(database, paymentId);
    expect(await hear(paymentId, { state: 'captured' })).toMatchObject({ state: 'captured' });
  }

  const settleOrder = (orderId: string): Promise<StepResult> => settle(database, { orderId, at: AT });

  /** An order that these payments have paid, and their ids. */
  async function paidOrder(
    parts: readonly (Part & { amount: number })[],
    given: Parameters<typeof openOrder>[1] = {},
  ) {
    const total = parts.reduce((sum, { amount }) => sum + amount, 0);
    const order = await openOrder(total, given);
    const payments: string[] = [];
    for (const part of parts) payments.push(await authorise(order.orderId, part));
    expect(await settleOrder(order.orderId)).toMatchObject({ refusal: 'capturing' });
    for (const paymentId of payments) await capture(paymentId);
    expect(await settleOrder(order.orderId)).toMatchObject({ stage: 'paid', refusal: null });
    return { ...order, payments };
  }

  return { openOrder, ask, open, hear, authorise, capture, settleOrder, paidOrder };
}

/**
 * Money that was taken for payments and is not an order's yet, or is owed back, is in `clearing`; and an order counts what its payments
 * secure.
 */
export async function expectPaymentsAddUp(sql: Sql): Promise<void> {
  const wrong = await sql`
    select
      orders.id, stage, orders.secured, part.secured as "byPayments", orders.refunded, part.refunded as "refundedByPayments", part.owed,
      part.given_back as "givenBack", part.captured, clearing.amount as clearing
    from orders
    cross join lateral (
      select
        count(*) as payments,
        coalesce(sum(amount) filter (where secures), 0) as secured,
        coalesce(sum(amount) filter (where state = 'captured'), 0) as captured,
        coalesce(sum(refunded), 0) as refunded,
        (
          select coalesce(sum(amount), 0) from refund_payment where refund_payment.order_id = orders.id and refund_payment.state = 'owed'
        ) as owed,
        (select coalesce(sum(amount), 0) from refund_payment where refund_payment.order_id = orders.id) as given_back
      from payment
      where order_id = orders.id
    ) as part
    cross join lateral (
      select coalesce(sum(entry.amount), 0) as amount
      from transfer join entry on transfer_id = transfer.id and account = 'clearing'
      where transfer.order_id = orders.id
    ) as clearing
    where
      payments > 0
      and (
        part.secured <> orders.secured
        or (orders.secured > 0 and (part.refunded <> orders.refunded or given_back <> orders.refunded))
        or clearing.amount <> part.captured
          - case when stage in ('paid', 'refunded') and orders.secured > 0 then total - part.owed else 0 end
      )
  `;
  expect([...wrong]).toEqual([]);
}
