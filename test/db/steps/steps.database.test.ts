/** Each step, as the activity that a worker runs, on real PostgreSQL: run again, run twice at once, run late, and against the other steps. */
import { ApplicationFailure } from '@temporalio/common';
import { afterEach, describe, expect, test } from 'vitest';
import { createActivities, type PlacedOrder } from '../../../activities/order.ts';
import { expectRulesHold, freshDatabase } from '../../support/database.ts';
import { AT, anOrder, payment, refundOf, releaseTo } from '../../support/step-requests.ts';
import { fundedWallet, stockedSku, topUp } from '../../support/stock.ts';

const { database, sql } = await freshDatabase();
const { reserve, abandon, pay, decline, release, refund } = createActivities(database);

afterEach(() => expectRulesHold(sql));

const both = <T>(work: () => Promise<T>): Promise<[T, T]> => Promise.all([work(), work()]);

async function stock(sku: string) {
  const [row] = await sql<{ onHand: number; reserved: number }[]>`
    select on_hand as "onHand", reserved from sku where sku = ${sku}
  `;
  return row;
}

async function balance(walletId: string) {
  const [row] = await sql<
    { posted: number; held: number }[]
  >`select posted, held from wallet where id = ${walletId}`;
  return row;
}

async function stageOf({ orderId }: PlacedOrder) {
  const [row] = await sql<{ stage: string }[]>`select stage from orders where id = ${orderId}`;
  return row?.stage;
}

/** Tries a step again whose row another one kept for too long, as workflows do. A deadlock is none of these. */
async function inTurn<T>(attempt: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof ApplicationFailure && error.type === 'row_locked')) throw error;
    }
  }
}

/** With what it came to, for the people who look at the order in Temporal. */
const RESERVED = {
  stage: 'awaiting_payment',
  reason: null,
  refusal: null,
  total: { amount: 1_500, currency: 'EUR' },
};

/** An order of 3 units at 500 out of 10, by a wallet with 2,000. */
async function reserved(paymentMode: 'debit' | 'hold' = 'debit', funds = 2_000) {
  const [sku, walletId] = await Promise.all([stockedSku(sql, { onHand: 10 }), fundedWallet(sql, { funds })]);
  const order = anOrder({ walletId, paymentMode, lines: [{ sku, quantity: 3 }] });
  expect(await reserve(order)).toEqual(RESERVED);
  return { sku, walletId, order, orderId: order.orderId };
}

describe('the reserve step', () => {
  test('reserves once when it runs twice in a row', async () => {
    const { sku, order } = await reserved();
    expect(await reserve(order)).toEqual(RESERVED);
    expect(await stock(sku)).toEqual({ onHand: 10, reserved: 3 });
  });

  test('reserves once when it runs ten times at once, and all ten get the same result', async () => {
    const [sku, walletId] = await Promise.all([
      stockedSku(sql, { onHand: 10 }),
      fundedWallet(sql, { funds: 0 }),
    ]);
    const order = anOrder({ walletId, lines: [{ sku, quantity: 3 }] });
    const results = await Promise.all(Array.from({ length: 10 }, () => reserve(order)));
    expect(new Set(results.map(({ stage }) => stage))).toEqual(new Set(['awaiting_payment']));
    expect(await stock(sku)).toEqual({ onHand: 10, reserved: 3 });
  });

  test('sums the quantities of a SKU that is on two lines', async () => {
    const [sku, walletId] = await Promise.all([
      stockedSku(sql, { onHand: 10 }),
      fundedWallet(sql, { funds: 0 }),
    ]);
    const line = { sku, quantity: 5 };
    expect(await reserve(anOrder({ walletId, lines: [line, line] }))).toMatchObject({
      stage: 'awaiting_payment',
    });
    expect(await stock(sku)).toEqual({ onHand: 10, reserved: 10 });
  });

  test('holds the money with the stock in hold mode', async () => {
    const { walletId } = await reserved('hold');
    expect(await balance(walletId)).toEqual({ posted: 2_000, held: 1_500 });
  });

  test('reserves no line when one of them is out of stock', async () => {
    const [plenty, scarce] = await Promise.all([
      stockedSku(sql, { onHand: 10 }),
      stockedSku(sql, { onHand: 1 }),
    ]);
    const walletId = await fundedWallet(sql, { funds: 0 });
    const order = anOrder({ walletId, lines: [plenty, scarce].map((sku) => ({ sku, quantity: 2 })) });
    expect(await reserve(order)).toEqual({ stage: 'rejected', reason: 'out_of_stock', refusal: null });
    expect(await stock(plenty)).toEqual({ onHand: 10, reserved: 0 });
  });

  test('keeps its refusal: the same order is not reserved after a restock', async () => {
    const [sku, walletId] = await Promise.all([
      stockedSku(sql, { onHand: 1 }),
      fundedWallet(sql, { funds: 0 }),
    ]);
    const order = anOrder({ walletId, lines: [{ sku, quantity: 2 }] });
    const refused = { stage: 'rejected', reason: 'out_of_stock', refusal: null };
    expect(await reserve(order)).toEqual(refused);
    await sql`with more as (update sku set on_hand = 5 where sku = ${sku})
      insert into stock_movement (shop_id, id, sku, kind, quantity) values ('main', gen_random_uuid(), ${sku}, 'restock', 4)`;
    expect(await reserve(order)).toEqual(refused);
  });

  test('rejects an unknown SKU, an unknown wallet, another currency and a hold without funds, each for its own reason', async () => {
    const [euros, dollars] = await Promise.all([
      stockedSku(sql, { onHand: 10 }),
      stockedSku(sql, { onHand: 10, currency: 'USD' }),
    ]);
    const walletId = await fundedWallet(sql, { funds: 499 });
    const reasonFor = async (order: PlacedOrder) => (await reserve(order)).reason;
    const lines = [{ sku: euros, quantity: 1 }];
    const unknownWallet = '018f0000-0000-7000-8000-000000000000';
    expect(await reasonFor(anOrder({ walletId, lines: [...lines, { sku: 'none', quantity: 1 }] }))).toBe(
      'unknown_sku',
    );
    expect(await reasonFor(anOrder({ walletId: unknownWallet, lines }))).toBe('unknown_wallet');
    expect(await reasonFor(anOrder({ walletId, lines: [{ sku: dollars, quantity: 1 }] }))).toBe(
      'currency_mismatch',
    );
    expect(await reasonFor(anOrder({ walletId, lines, paymentMode: 'hold' }))).toBe('insufficient_funds');
    expect(await stock(euros)).toEqual({ onHand: 10, reserved: 0 });
  });

  test('reserves 10 and rejects 30 of 40 simultaneous orders for 10 units', async () => {
    const [sku, walletId] = await Promise.all([
      stockedSku(sql, { onHand: 10 }),
      fundedWallet(sql, { funds: 0 }),
    ]);
    const orders = Array.from({ length: 40 }, () => anOrder({ walletId, lines: [{ sku, quantity: 1 }] }));
    const results = await Promise.all(orders.map((order) => reserve(order)));
    expect(results.filter(({ stage }) => stage === 'awaiting_payment')).toHaveLength(10);
    expect(results.filter(({ reason }) => reason === 'out_of_stock')).toHaveLength(30);
    expect(await stock(sku)).toEqual({ onHand: 10, reserved: 10 });
  });

  test('does not deadlock when simultaneous orders name the same SKUs in opposite order, with holds on one wallet', async () => {
    const skus = await Promise.all(
      Array.from({ length: 4 }, () => stockedSku(sql, { onHand: 1_000, price: 1 })),
    );
    const walletId = await fundedWallet(sql, { funds: 1_000 });
    const lines = skus.map((sku) => ({ sku, quantity: 1 }));
    const orders = Array.from({ length: 60 }, (_, index) =>
      anOrder({ walletId, paymentMode: 'hold', lines: index % 2 ? lines : lines.toReversed() }),
    );
    const results = await Promise.all(orders.map((order) => inTurn(() => reserve(order))));
    expect(new Set(results.map(({ stage }) => stage))).toEqual(new Set(['awaiting_payment']));
    const ends = await Promise.all(
      orders.map(({ orderId }, index) =>
        inTurn(() => (index % 3 ? pay(payment(orderId)) : release(releaseTo(orderId, 'expired')))),
      ),
    );
    expect(ends.filter(({ stage }) => stage === 'paid')).toHaveLength(40);
  });
});

describe('cancelling a reservation', () => {
  test('makes a later reserve attempt do nothing', async () => {
    const [sku, walletId] = await Promise.all([
      stockedSku(sql, { onHand: 10 }),
      fundedWallet(sql, { funds: 0 }),
    ]);
    const order = anOrder({ walletId, lines: [{ sku, quantity: 3 }] });
    const cancelled = { stage: 'cancelled', reason: 'changed my mind', refusal: null };
    expect(await both(() => abandon({ ...order, reason: 'changed my mind', commandId: null }))).toEqual([
      cancelled,
      cancelled,
    ]);
    expect(await reserve(order)).toEqual(cancelled);
    expect(await stock(sku)).toEqual({ onHand: 10, reserved: 0 });
    expect(await stageOf(order)).toBe('cancelled');
  });

  test('at the same time as the reserve step either prevents the reservation, or leaves it to be released', async () => {
    const [sku, walletId] = await Promise.all([
      stockedSku(sql, { onHand: 1_000 }),
      fundedWallet(sql, { funds: 0 }),
    ]);
    for (let round = 0; round < 25; round += 1) {
      const order = anOrder({ walletId, lines: [{ sku, quantity: 3 }] });
      const results = await Promise.all([
        reserve(order),
        abandon({ ...order, reason: 'test', commandId: null }),
      ]);
      // A reservation that stands says what it came to, besides.
      expect(results[0]).toMatchObject(results[1]);
      expect(await stageOf(order)).toBe(results[0].stage);
    }
  });
});

describe('the pay step', () => {
  test('takes the money and consumes the units once when it runs twice in a row and twice at once', async () => {
    const { sku, walletId, orderId } = await reserved();
    const request = payment(orderId);
    const paid = { stage: 'paid', reason: null, refusal: null };
    expect(await both(() => pay(request))).toEqual([paid, paid]);
    expect(await pay(request)).toEqual(paid);
    expect(await balance(walletId)).toEqual({ posted: 500, held: 0 });
    expect(await stock(sku)).toEqual({ onHand: 7, reserved: 0 });
  });

  test('captures what was held in hold mode', async () => {
    const { walletId, orderId } = await reserved('hold');
    expect(await pay(payment(orderId))).toEqual({ stage: 'paid', reason: null, refusal: null });
    expect(await balance(walletId)).toEqual({ posted: 500, held: 0 });
  });

  test('never takes money in a late attempt of a refused payment, even after the buyer has topped up', async () => {
    const { walletId, orderId } = await reserved('debit', 1_499);
    const first = payment(orderId);
    const refused = { stage: 'awaiting_payment', reason: null, refusal: 'insufficient_funds' };
    expect(await both(() => pay(first))).toEqual([refused, refused]);
    await topUp(sql, walletId, 1);
    expect(await pay(first)).toEqual(refused);
    expect(await pay(payment(orderId))).toEqual({ stage: 'paid', reason: null, refusal: null });
    expect(await balance(walletId)).toEqual({ posted: 0, held: 0 });
  });

  test('debits once for two simultaneous payments', async () => {
    const { walletId, orderId } = await reserved('debit', 10_000);
    const results = await Promise.all([pay(payment(orderId)), pay(payment(orderId))]);
    expect(new Set(results.map(({ refusal }) => refusal))).toEqual(new Set([null, 'order_not_payable']));
    expect(await balance(walletId)).toEqual({ posted: 8_500, held: 0 });
  });

  test('never spends more than a wallet has, however many orders are paid from it at once', async () => {
    const [sku, walletId] = await Promise.all([
      stockedSku(sql, { onHand: 100, price: 10 }),
      fundedWallet(sql, { funds: 75 }),
    ]);
    const orders = Array.from({ length: 20 }, () => anOrder({ walletId, lines: [{ sku, quantity: 1 }] }));
    await Promise.all(orders.map((order) => reserve(order)));
    const results = await Promise.all(orders.map(({ orderId }) => pay(payment(orderId))));
    expect(results.filter(({ stage }) => stage === 'paid')).toHaveLength(7);
    expect(await balance(walletId)).toEqual({ posted: 5, held: 0 });
  });

  test('does not spend money that a hold has promised to another order', async () => {
    const { walletId } = await reserved('hold', 2_000);
    const sku = await stockedSku(sql, { onHand: 1, price: 501 });
    const order = anOrder({ walletId, lines: [{ sku, quantity: 1 }] });
    await reserve(order);
    expect(await pay(payment(order.orderId))).toMatchObject({ refusal: 'insufficient_funds' });
  });

  test('fails for an order that does not exist', async () => {
    await expect(pay(payment('018f0000-0000-7000-8000-000000000000'))).rejects.toThrow('not in the database');
  });
});

describe('skipping a payment', () => {
  test('makes a later attempt of that payment do nothing, and leaves the order to be paid by another payment', async () => {
    const { walletId, orderId } = await reserved();
    const request = payment(orderId);
    const skipped = { stage: 'awaiting_payment', reason: null, refusal: 'payment_skipped' };
    expect(await both(() => decline(request))).toEqual([skipped, skipped]);
    expect(await pay(request)).toEqual(skipped);
    expect(await balance(walletId)).toEqual({ posted: 2_000, held: 0 });
    expect(await pay(payment(orderId))).toEqual({ stage: 'paid', reason: null, refusal: null });
    expect(await balance(walletId)).toEqual({ posted: 500, held: 0 });
  });

  test('at the same time as the pay step finds the payment made, or prevents it for good', async () => {
    for (let round = 0; round < 25; round += 1) {
      const { walletId, orderId } = await reserved(round % 2 ? 'hold' : 'debit');
      const request = payment(orderId);
      const [paying, declining] = await Promise.all([pay(request), decline(request)]);
      expect(declining).toEqual(paying);
      expect(await balance(walletId)).toMatchObject({ posted: paying.stage === 'paid' ? 500 : 2_000 });
    }
  });
});

describe('the release step', () => {
  test('releases once when it runs twice in a row and twice at once', async () => {
    const { sku, walletId, orderId } = await reserved('hold');
    const request = releaseTo(orderId, 'cancelled');
    const cancelled = { stage: 'cancelled', reason: 'test', refusal: null };
    expect(await both(() => release(request))).toEqual([cancelled, cancelled]);
    expect(await release(request)).toEqual(cancelled);
    expect(await stock(sku)).toEqual({ onHand: 10, reserved: 0 });
    expect(await balance(walletId)).toEqual({ posted: 2_000, held: 0 });
  });

  test('releases nothing of a paid order, and returns that it is paid', async () => {
    const { sku, orderId } = await reserved();
    await pay(payment(orderId));
    expect(await release(releaseTo(orderId, 'expired'))).toEqual({
      stage: 'paid',
      reason: null,
      refusal: null,
    });
    expect(await stock(sku)).toEqual({ onHand: 7, reserved: 0 });
  });

  test('at the same time as the pay step leaves exactly one of the two with an effect', async () => {
    for (let round = 0; round < 25; round += 1) {
      const { walletId, order, orderId } = await reserved(round % 2 ? 'hold' : 'debit');
      const [paying, releasing] = await Promise.all([
        pay(payment(orderId)),
        release(releaseTo(orderId, 'expired')),
      ]);
      const stage = await stageOf(order);
      expect([paying.stage, releasing.stage]).toEqual([stage, stage]);
      expect(await balance(walletId)).toEqual({ posted: stage === 'paid' ? 500 : 2_000, held: 0 });
    }
  });

  test('causes a later payment to be refused', async () => {
    const { walletId, orderId } = await reserved();
    await release(releaseTo(orderId, 'expired'));
    expect(await pay(payment(orderId))).toEqual({
      stage: 'expired',
      reason: null,
      refusal: 'order_not_payable',
    });
    expect(await balance(walletId)).toEqual({ posted: 2_000, held: 0 });
  });
});

describe('the refund step', () => {
  test('refunds the money once when it runs twice in a row and twice at once', async () => {
    const { sku, walletId, orderId } = await reserved();
    await pay(payment(orderId));
    const request = refundOf(orderId, false);
    const refunded = { stage: 'refunded', reason: 'test', refusal: null };
    expect(await both(() => refund(request))).toEqual([refunded, refunded]);
    expect(await refund(request)).toEqual(refunded);
    expect(await balance(walletId)).toEqual({ posted: 2_000, held: 0 });
    expect(await stock(sku)).toEqual({ onHand: 7, reserved: 0 });
  });

  test('puts the units back on hand once when asked to restock', async () => {
    const { sku, orderId } = await reserved('hold');
    await pay(payment(orderId));
    await both(() => refund(refundOf(orderId, true)));
    expect(await stock(sku)).toEqual({ onHand: 10, reserved: 0 });
  });

  test('does nothing for an order that is not paid, and does not prevent a later refund', async () => {
    const { orderId } = await reserved();
    expect(await refund(refundOf(orderId, false))).toEqual({
      stage: 'awaiting_payment',
      reason: null,
      refusal: 'order_not_refundable',
    });
    await pay(payment(orderId));
    expect(await refund(refundOf(orderId, false))).toEqual({
      stage: 'refunded',
      reason: 'test',
      refusal: null,
    });
  });
});

test('an order\u2019s events carry the workflow\u2019s times, gapless versions and the command behind each', async () => {
  const { orderId } = await reserved();
  const paying = payment(orderId);
  const refunding = refundOf(orderId, true);
  await pay(paying);
  await refund(refunding);
  const events = await sql`
    select version, from_stage as "from", stage, reason, command_id as command, at
    from order_event where order_id = ${orderId} order by version
  `;
  const at = new Date(AT);
  expect([...events]).toEqual([
    { version: 1, from: null, stage: 'awaiting_payment', reason: null, command: null, at },
    { version: 2, from: 'awaiting_payment', stage: 'paid', reason: null, command: paying.commandId, at },
    { version: 3, from: 'paid', stage: 'refunded', reason: 'test', command: refunding.commandId, at },
  ]);
});
