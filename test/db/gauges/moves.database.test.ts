/** How long orders were in a stage, and what ended it, as the metrics count it from published events. */
import { v7 as uuidv7 } from 'uuid';
import { afterEach, expect, test } from 'vitest';
import { publishEvents } from '../../../db/events/publish.ts';
import { readMoves, type Move } from '../../../db/gauges/moves.ts';
import { pay } from '../../../db/steps/pay.ts';
import { refund } from '../../../db/steps/refund.ts';
import { release } from '../../../db/steps/release.ts';
import { reserve } from '../../../db/steps/reserve.ts';
import { expectRulesHold, freshDatabase } from '../../support/database.ts';
import { plantIdempotencyKey } from '../../support/planted.ts';
import { anOrder, AT, payment, refundOf, releaseTo } from '../../support/step-requests.ts';
import { fundedWallet, stockedSku } from '../../support/stock.ts';

const { database, sql } = await freshDatabase();
const walletId = await fundedWallet(sql, { funds: 1_000_000 });
const sku = await stockedSku(sql, { onHand: 1_000 });
afterEach(() => expectRulesHold(sql));

const after = (seconds: number): string => new Date(Date.parse(AT) + seconds * 1_000).toISOString();
const moves = async (): Promise<Move[]> => readMoves(database, await publishEvents(database));
const lines = [{ sku, quantity: 1 }];

/** An order that a caller asked for two seconds before it was reserved. */
async function placed(order: Partial<Parameters<typeof anOrder>[0]> = {}): Promise<string> {
  const request = anOrder({ walletId, lines, ...order });
  await plantIdempotencyKey(sql, { commandId: request.orderId, age: '2 seconds' });
  await reserve(database, request);
  return request.orderId;
}

const about = (seconds: number): unknown => expect.closeTo(seconds, 0);
const nothing = { reason: null, awaited: null, worked: null, late: null, isPaidAtOnce: false };

test('a reservation took from the request to its record, and so did a rejection, with its reason', async () => {
  await placed();
  await placed({ lines: [{ sku, quantity: 5_000 }] });
  expect(await moves()).toEqual([
    { ...nothing, type: 'order.awaiting_payment', worked: about(2) },
    { ...nothing, type: 'order.rejected', reason: 'out_of_stock', worked: about(2) },
  ]);
});

test('a payment ended the wait since the reservation, and a refund took from its request to its record', async () => {
  const orderId = await placed();
  await moves();
  const paying = { ...payment(orderId), at: after(90) };
  await plantIdempotencyKey(sql, { operation: 'payOrder', commandId: paying.commandId, age: '3 seconds' });
  await pay(database, paying);
  const refunding = refundOf(orderId, true);
  await plantIdempotencyKey(sql, {
    operation: 'refundOrder',
    commandId: refunding.commandId,
    age: '4 seconds',
  });
  await refund(database, refunding);
  expect(await moves()).toEqual([
    { ...nothing, type: 'order.paid', awaited: 90, worked: about(3), isPaidAtOnce: true },
    { ...nothing, type: 'order.refunded', reason: 'test', worked: about(4) },
  ]);
});

test('an expiry is late by what passed from the deadline to its record', async () => {
  const deadline = new Date(Date.now() - 5_000).toISOString();
  const orderId = await placed({ paymentDeadline: deadline });
  await release(database, { ...releaseTo(orderId, 'expired'), at: after(900) });
  expect(await moves()).toEqual([
    expect.objectContaining({ type: 'order.awaiting_payment', late: null }),
    { ...nothing, type: 'order.expired', reason: 'test', awaited: 900, late: about(5) },
  ]);
});

test('a cancelled order waited until then, and an order whose request is not kept any more says nothing of it', async () => {
  const request = anOrder({ walletId, lines });
  await reserve(database, request);
  await release(database, { ...releaseTo(request.orderId, 'cancelled'), commandId: uuidv7(), at: after(30) });
  expect(await moves()).toEqual([
    { ...nothing, type: 'order.awaiting_payment' },
    { ...nothing, type: 'order.cancelled', reason: 'test', awaited: 30 },
  ]);
});

test('nothing is said of nothing', async () => {
  expect(await readMoves(database, [])).toEqual([]);
});
