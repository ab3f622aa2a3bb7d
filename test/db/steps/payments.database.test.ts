/** Payments in parts, as the statements that a worker runs, on real PostgreSQL: again, late, in any order and many at once. */
import { expect, test } from 'vitest';
import { pay } from '../../../db/steps/pay.ts';
import { openPayment } from '../../../db/steps/payments/open-payment.ts';
import { recordPayment } from '../../../db/steps/payments/record-payment.ts';
import { settle } from '../../../db/steps/payments/settle.ts';
import { reserve } from '../../../db/steps/reserve.ts';
import { freshDatabase } from '../../support/database.ts';
import { AT, anOrder, payment } from '../../support/step-requests.ts';
import { fundedWallet, stockedSku } from '../../support/stock.ts';

const { database, sql } = await freshDatabase();

async function openOrder(price = 1_000) {
  const walletId = await fundedWallet(sql, { funds: 1_000_000 });
  const sku = await stockedSku(sql, { onHand: 100, price });
  const order = anOrder({ walletId, lines: [{ sku, quantity: 1 }] });
  expect(await reserve(database, order)).toMatchObject({ stage: 'awaiting_payment' });
  return { orderId: order.orderId, walletId, sku };
}

test('an order is paid by two payments from outside once both are captured', async () => {
  const { orderId } = await openOrder();
  const first = { ...payment(orderId), method: 'provider', amount: 400 } as const;
  const second = { ...payment(orderId), method: 'provider' } as const;
  const opened = { stage: 'awaiting_payment', reason: null, refusal: null, wakes: true };
  expect(await openPayment(database, first)).toEqual(opened);
  expect(await openPayment(database, second)).toEqual(opened);
  expect(await pay(database, payment(orderId))).toMatchObject({ refusal: 'order_has_payments' });
  for (const { commandId } of [first, second])
    await recordPayment(database, {
      paymentId: commandId,
      state: 'authorised',
      providerId: `p-${commandId}`,
      at: AT,
    });
  expect(await settle(database, { orderId, at: AT })).toMatchObject({ refusal: 'capturing', wakes: true });
  for (const { commandId } of [first, second])
    expect(await recordPayment(database, { paymentId: commandId, state: 'captured', at: AT })).toEqual({
      orderId,
      state: 'captured',
      changed: true,
    });
  expect(await settle(database, { orderId, at: AT })).toEqual({ stage: 'paid', reason: null, refusal: null });
});
