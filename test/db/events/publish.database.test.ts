/** What happened to orders is published once, in order, and under numbers that no reader can see a gap in. */
import { afterEach, expect, test } from 'vitest';
import { publishEvents } from '../../../db/events/publish.ts';
import { findPublished, readFeed, readOrderEvents, type FeedPosition } from '../../../db/events/read.ts';
import { recordOrderDetail } from '../../../db/order-detail.ts';
import { pay } from '../../../db/steps/pay.ts';
import { refund } from '../../../db/steps/refund.ts';
import { release } from '../../../db/steps/release.ts';
import { reserve } from '../../../db/steps/reserve.ts';
import { ORDER_EVENT_TYPES, typeOfMove } from '../../../domain/events.ts';
import { MAIN_SHOP } from '../../../domain/shops.ts';
import { RECORDED_MOVES } from '../../../domain/stages.ts';
import { expectRulesHold, freshDatabase } from '../../support/database.ts';
import { dropMonth, makeEventMonths, ordersOfMonths, settleEvents } from '../../support/dropped-months.ts';
import { inMonths } from '../../support/months.ts';
import { AT, anOrder, payment, refundOf, releaseTo } from '../../support/step-requests.ts';
import { fundedWallet, openShop, stockedSku } from '../../support/stock.ts';

const { database, sql } = await freshDatabase();
afterEach(() => expectRulesHold(sql));

async function shopWithOrders() {
  const shopId = await openShop(sql);
  const sku = await stockedSku(sql, { shopId, onHand: 1_000 });
  const walletId = await fundedWallet(sql, { shopId, funds: 100_000 });
  return {
    shopId,
    placed: async () => {
      const order = anOrder({ shopId, walletId, lines: [{ sku, quantity: 1 }] });
      await reserve(database, order);
      return order.orderId;
    },
  };
}

test('each event of an order is published once, with its own type, what happened, and the next number of its shop', async () => {
  const { shopId, placed } = await shopWithOrders();
  const orderId = await placed();
  const paid = payment(orderId);
  await pay(database, paid);
  await refund(database, refundOf(orderId, true));
  expect(await publishEvents(database)).toMatchObject(
    ['order.awaiting_payment', 'order.paid', 'order.refunded'].map((type, index) => ({
      orderId,
      version: index + 1,
      shopId,
      sequence: index + 1,
      type,
    })),
  );
  expect(await publishEvents(database)).toEqual([]);
  const page = await readFeed(database, { shopId, after: undefined, limit: 10 });
  expect(page).toMatchObject({ next: { sequence: 3 }, hasMore: false });
  expect(page?.events[1]).toEqual({
    id: `${orderId}-2`,
    type: 'order.paid',
    sequence: 2,
    shopId,
    at: AT,
    data: {
      orderId,
      version: 2,
      from: 'awaiting_payment',
      stage: 'paid',
      commandId: paid.commandId,
      buyerId: 'buyer',
      total: { amount: 500, currency: 'EUR' },
    },
  });
  expect(await readOrderEvents(database, [{ orderId, after: 1 }])).toEqual(page?.events.slice(1));
  expect(await findPublished(database, [{ orderId, version: 1 }])).toEqual(page?.events.slice(0, 1));
});

test('an event says its order’s reference, and that of a refund which lines and amounts were given back, and never the metadata', async () => {
  const { shopId, placed } = await shopWithOrders();
  const detailed = await placed();
  const detail = {
    orderId: detailed,
    shopId,
    buyerId: 'buyer',
    reference: 'PO-1',
    metadata: { till: 'seven' },
  };
  await recordOrderDetail(database, detail);
  const other = await placed();
  for (const orderId of [detailed, other]) await pay(database, payment(orderId));
  await refund(database, { ...refundOf(detailed, false), amount: 100 });
  await refund(database, refundOf(detailed, true));
  await publishEvents(database);
  const events = await readOrderEvents(database, [{ orderId: detailed, after: 0 }]);
  const [line] = await sql<{ sku: string }[]>`select sku from order_line where order_id = ${detailed}`;
  expect(events.map(({ type, data }) => [type, data.reference, data.refund])).toEqual([
    ['order.awaiting_payment', 'PO-1', undefined],
    ['order.paid', 'PO-1', undefined],
    ['order.partially_refunded', 'PO-1', { amount: 100, currency: 'EUR', lines: [] }],
    [
      'order.refunded',
      'PO-1',
      {
        amount: 400,
        currency: 'EUR',
        lines: [{ sku: line?.sku, quantity: 1, amount: 500, restocked: true }],
      },
    ],
  ]);
  expect(JSON.stringify(events)).not.toMatch(/metadata|till|seven/);
  const [plain] = await findPublished(database, [{ orderId: other, version: 2 }]);
  expect(plain?.data).not.toHaveProperty('reference');
  expect(plain?.data).not.toHaveProperty('refund');
});

test('a page of some types looks through the others, and the next begins behind them', async () => {
  const { shopId, placed } = await shopWithOrders();
  const orders = [await placed(), await placed(), await placed()];
  for (const orderId of orders) await release(database, releaseTo(orderId, 'expired'));
  await publishEvents(database);
  const types = ['order.expired'] as const;
  const first = await readFeed(database, { shopId, after: undefined, types, limit: 2 });
  expect(first).toMatchObject({
    events: [{ sequence: 4 }, { sequence: 5 }],
    next: { sequence: 5 },
    hasMore: true,
  });
  const last = await readFeed(database, { shopId, after: first?.next, types, limit: 2 });
  expect(last).toMatchObject({ events: [{ sequence: 6 }], next: { sequence: 6 }, hasMore: false });
  const none = await readFeed(database, { shopId, after: undefined, types: ['order.paid'], limit: 2 });
  expect(none).toMatchObject({ events: [], next: { sequence: 6 }, hasMore: false });
});

test('who has read up to where a month was dropped is never sent past what they miss, and who has read all of it goes on', async () => {
  const shop = await ordersOfMonths({ database, sql });
  const shopId = MAIN_SHOP;
  await makeEventMonths(sql, inMonths(2), 2);
  await shop.expired(inMonths(2));
  await shop.expired(inMonths(3));
  await settleEvents(database);
  const feed = (after?: FeedPosition) => readFeed(database, { shopId, after, limit: 3 });
  const start = await readFeed(database, { shopId, after: undefined, limit: 1 });
  const all = (await feed((await feed())?.next))?.next;
  expect(all).toMatchObject({ sequence: 4 });

  while ((await dropMonth(sql, inMonths(3, 1))).some(({ dropped }) => dropped !== null));
  expect(await feed(start?.next)).toBeUndefined();
  expect(await feed(all)).toMatchObject({ events: [], next: { sequence: 4 } });
  // A reader that begins now begins with what is there, and may stop in the middle.
  const begun = await readFeed(database, { shopId, after: undefined, limit: 1 });
  expect(begun).toMatchObject({ events: [{ sequence: 3 }], hasMore: true });
  expect(await feed(begun?.next)).toMatchObject({ events: [{ sequence: 4 }], hasMore: false });
});

test('who has read further than this database has ever come, because an older one was restored, learns that', async () => {
  const { shopId, placed } = await shopWithOrders();
  await placed();
  await publishEvents(database);
  const at = (sequence: number) => readFeed(database, { shopId, after: { sequence, dropped: 0 }, limit: 1 });
  expect(await at(1)).toMatchObject({ events: [], next: { sequence: 1 } });
  expect(await at(2)).toBeUndefined();
});

test('the types of moves in SQL are those in the code', async () => {
  for (const { from, to } of RECORDED_MOVES) {
    const [move] = await sql<{ type: string }[]>`select type_of_move(${from}, ${to}) as type`;
    expect(move?.type).toBe(typeOfMove({ from, to }));
    expect(ORDER_EVENT_TYPES).toContain(move?.type);
  }
});
