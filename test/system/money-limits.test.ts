/** Money is exact up to the ledger's limit, refused beyond it, and exact in every sum over many orders. */
import { randomUUID } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createActivities } from '../../activities/order.ts';
import { LIMITS } from '../../api/schemas/values.ts';
import { BIGINT_AS_NUMBER, parseExactly, stringifyExactly } from '../../db/exact-integers.ts';
import { BALANCE_LIMIT, EXACT_LIMIT, ON_HAND_LIMIT, PRICE_LIMIT, TOTAL_LIMIT } from '../../domain/limits.ts';
import { countPending } from '../../db/stats/count.ts';
import { reserveAll } from '../../db/steps/reserve.ts';
import { expectRulesHold } from '../support/database.ts';
import { plant } from '../support/planted.ts';
import { reconciling } from '../support/reconciling.ts';
import { expectStatus } from '../support/shop.ts';
import { AT, anOrder, payment, refundOf } from '../support/step-requests.ts';
import { fundedWallet, stockedSku, topUp } from '../support/stock.ts';
import { startSystem } from '../support/system.ts';

const system = await startSystem();
const { shop, sql, database } = system;
const { reconcile } = reconciling(system);
const { reserve, pay, refund } = createActivities(database);

const MOST = 9_007_199_254_740_991;
const [DAY = ''] = AT.split('T');
const GRANTED = expect.objectContaining({ stage: 'awaiting_payment', reason: null, refusal: null });
const TOO_MUCH = { stage: 'rejected', reason: 'total_limit_exceeded', refusal: null };

async function countAll(): Promise<void> {
  while (!(await countPending(database, 1_000)).isDone);
}

const priced = (price: number, onHand = 1_000_000, currency = 'EUR') =>
  stockedSku(sql, { onHand, price, currency });

describe('the limits on money', () => {
  test('fit together: one unit at the highest price fits into an order, and the order into a wallet', () => {
    expect(EXACT_LIMIT).toBe(MOST);
    expect(PRICE_LIMIT).toBeLessThanOrEqual(TOTAL_LIMIT);
    expect(TOTAL_LIMIT).toBeLessThanOrEqual(BALANCE_LIMIT);
    expect(BALANCE_LIMIT).toBeLessThanOrEqual(EXACT_LIMIT);
    expect(LIMITS.deposit).toBeLessThanOrEqual(BALANCE_LIMIT);
    expect(LIMITS).toMatchObject({ price: PRICE_LIMIT, onHand: ON_HAND_LIMIT });
    // Returns may exceed the limit: every unit of a SKU sold a thousand times, and all of them returned.
    expect(1_000 * ON_HAND_LIMIT).toBeLessThan(EXACT_LIMIT);
  });

  test('are also enforced by PostgreSQL, which refuses one unit more', async () => {
    const [sku, walletId] = await Promise.all([priced(1), fundedWallet(sql, { funds: 1 })]);
    const { orderId } = await reserved(walletId, [{ sku, quantity: 1 }]);
    const beyond = String(BigInt(MOST) + 1n);
    await expect(sql`update sku set price = ${beyond} where sku = ${sku}`).rejects.toThrow(
      /sku_price_payable/,
    );
    await expect(sql`update orders set total = ${beyond} where id = ${orderId}`).rejects.toThrow(
      /orders_total_payable/,
    );
    await expect(sql`update wallet set posted = ${beyond} where id = ${walletId}`).rejects.toThrow(
      /wallet_posted_exact_in_json/,
    );
  });
});

async function reserved(walletId: string, lines: { sku: string; quantity: number }[], more = {}) {
  const order = anOrder({ walletId, lines, ...more });
  expect(await reserve(order)).toEqual(GRANTED);
  return order;
}

describe('an order', () => {
  test('of goods worth 100 million rupiah is made, paid and refunded', async () => {
    const price = { amount: 10_000_000_000, currency: 'IDR' };
    const [sku, wallet] = await Promise.all([shop.sku(10, price), shop.wallet(30_000_000_000, 'IDR')]);
    const id = await shop.placed(wallet, sku, 3);
    expect(expectStatus(await shop.pay(id), 200).body).toMatchObject({
      total: { amount: 30_000_000_000, currency: 'IDR' },
    });
    expectStatus(await shop.refund(id, true), 200);
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 30_000_000_000, held: 0 });
  });

  test.each(['debit', 'hold'] as const)(
    'in %s mode that comes to exactly what a wallet can hold is made and paid, and refunded in full',
    async (paymentMode) => {
      const [most, one] = await Promise.all([priced(MOST - 1), priced(1)]);
      const walletId = await fundedWallet(sql, { funds: MOST });
      const lines = [
        { sku: most, quantity: 1 },
        { sku: one, quantity: 1 },
      ];
      const { orderId } = await reserved(walletId, lines, { paymentMode });
      expect(await pay(payment(orderId))).toMatchObject({ stage: 'paid' });
      expect(await shop.balanceOf(walletId)).toEqual({ posted: 0, held: 0 });
      expect(await refund(refundOf(orderId, true))).toMatchObject({ stage: 'refunded' });
      expect(await shop.balanceOf(walletId)).toEqual({ posted: MOST, held: 0 });
      expect((await shop.get(`/v1/orders/${orderId}`)).body).toMatchObject({
        total: { amount: MOST, currency: 'EUR' },
      });
    },
  );

  test('that comes to one cent more than a wallet can hold is rejected with a problem that states its total, and holds nothing', async () => {
    const [most, one, wallet] = await Promise.all([
      shop.sku(1, { amount: MOST, currency: 'EUR' }),
      shop.sku(1, { amount: 1, currency: 'EUR' }),
      shop.wallet(1_000),
    ]);
    const answer = await shop.order(wallet, [
      { sku: most, quantity: 1 },
      { sku: one, quantity: 1 },
    ]);
    expect(expectStatus(answer, 422).body).toMatchObject({
      code: 'total_limit_exceeded',
      detail: expect.stringContaining('9007199254740992 EUR'),
    });
    const order = await shop.get(`/v1/orders/${String(answer.body['orderId'])}`);
    expect(expectStatus(order, 200).body).toMatchObject({
      stage: 'rejected',
      reason: 'total_limit_exceeded',
      total: null,
      lines: expect.arrayContaining([{ sku: most, quantity: 1, refundedQuantity: 0, unitPrice: MOST }]),
    });
    expect(await shop.stockOf(most)).toMatchObject({ reserved: 0 });
    expect(await shop.stockOf(one)).toMatchObject({ reserved: 0 });
  });

  test('of 100 lines that come to more than PostgreSQL\u2019s integers hold is rejected, and does not fail', async () => {
    const wallet = await shop.wallet(1_000);
    const skus = await Promise.all(Array.from({ length: 100 }, () => priced(MOST)));
    const answer = await shop.order(
      wallet,
      skus.map((sku) => ({ sku, quantity: 10_000 })),
    );
    expect(expectStatus(answer, 422).body).toMatchObject({
      code: 'total_limit_exceeded',
      detail: expect.stringContaining('9007199254740991000000 EUR'),
    });
    expect((await shop.get(`/v1/orders?limit=1`)).body).toMatchObject({
      items: [{ reason: 'total_limit_exceeded', total: null }],
    });
  });

  test('that exceeds the limit is rejected for that rather than for stock or funds, but for its currency first', async () => {
    const [scarce, dollars, walletId] = await Promise.all([
      priced(MOST, 1),
      priced(MOST, 1, 'USD'),
      fundedWallet(sql, { funds: 1 }),
    ]);
    const order = (lines: { sku: string; quantity: number }[]) =>
      reserve(anOrder({ walletId, lines, paymentMode: 'hold' }));
    expect(await order([{ sku: scarce, quantity: 2 }])).toEqual(TOO_MUCH);
    expect(
      await order([
        { sku: scarce, quantity: 2 },
        { sku: dollars, quantity: 2 },
      ]),
    ).toMatchObject({ reason: 'currency_mismatch' });
  });

  test('is granted exactly when its total is within the limit, whatever prices and quantities make it up', async () => {
    const prices = [
      1,
      2,
      3,
      Math.floor(MOST / 10_000),
      Math.ceil(MOST / 10_000),
      (MOST - 1) / 2,
      MOST - 1,
      MOST,
    ];
    const skus = await Promise.all(prices.map((price) => priced(price, ON_HAND_LIMIT)));
    const walletId = await fundedWallet(sql, { funds: 0 });
    const line = fc.record({
      index: fc.nat(prices.length - 1),
      quantity: fc.oneof(fc.integer({ min: 1, max: 3 }), fc.constantFrom(9_999, 10_000)),
    });
    const lines = fc.uniqueArray(line, { minLength: 1, maxLength: 4, selector: ({ index }) => index });
    await fc.assert(
      fc.asyncProperty(fc.array(lines, { minLength: 1, maxLength: 8 }), async (asked) => {
        const orders = asked.map((some) =>
          anOrder({
            walletId,
            lines: some.map(({ index, quantity }) => ({ sku: skus[index] ?? '', quantity })),
          }),
        );
        const results = await reserveAll(database, orders);
        const totals = asked.map((some) =>
          some.reduce((sum, { index, quantity }) => sum + BigInt(prices[index] ?? 0) * BigInt(quantity), 0n),
        );
        expect(orders.map(({ orderId }) => results.get(orderId))).toEqual(
          totals.map((total) => (total <= BigInt(MOST) ? GRANTED : TOO_MUCH)),
        );
      }),
      { numRuns: 40 },
    );
  });

  test('that exceeds the limit does not affect the other orders in its statement', async () => {
    const [dear, cheap] = await Promise.all([priced(MOST, 1_000_000), priced(5, 3)]);
    const walletId = await fundedWallet(sql, { funds: MOST });
    const lines = (...quantities: [string, number][]) =>
      quantities.map(([sku, quantity]) => ({ sku, quantity }));
    const orders = [
      anOrder({ walletId, lines: lines([cheap, 1]) }),
      anOrder({ walletId, lines: lines([dear, 1_000_000], [cheap, 1]), paymentMode: 'hold' }),
      anOrder({ walletId, lines: lines([dear, 1]), paymentMode: 'hold' }),
      anOrder({ walletId, lines: lines([dear, 1], [cheap, 1]) }),
      anOrder({ walletId, lines: lines([cheap, 2]) }),
      anOrder({ walletId, lines: lines([cheap, 1]), paymentMode: 'hold' }),
    ];
    const results = await reserveAll(database, orders);
    expect(orders.map(({ orderId }) => results.get(orderId))).toEqual([
      GRANTED,
      TOO_MUCH,
      GRANTED,
      TOO_MUCH,
      GRANTED,
      { stage: 'rejected', reason: 'out_of_stock', refusal: null },
    ]);
    expect(await shop.balanceOf(walletId)).toEqual({ posted: MOST, held: MOST });
    await expectRulesHold(sql);
  });
});

describe('figures', () => {
  /** How many findings about figures a reconciliation adds. It also finds that the orders of this file have no workflows. */
  async function wrongFigures(repair = false): Promise<{ open: number; repaired: number }> {
    const counted = async () => {
      const [row] = await sql<{ open: number; repaired: number }[]>`
        select count(*) filter (where state = 'open') as open, count(*) filter (where state = 'repaired') as repaired
        from finding
        where kind = 'stats_wrong'
      `;
      return row ?? { open: 0, repaired: 0 };
    };
    const before = await counted();
    await reconcile(repair);
    const after = await counted();
    return { open: after.open - before.open, repaired: after.repaired - before.repaired };
  }

  const onDay = (currency: string, more = '') =>
    shop.text(`/v1/stats?from=${DAY}&to=${DAY}${more}`).then(
      // The text itself: JSON.parse would round both sides.
      (text) => figuresOf(text, currency),
    );

  function figuresOf(text: string, currency: string): Record<string, string> {
    const [, totals = ''] = /"totals":\[(.*?)\],"days"/.exec(text) ?? [];
    const [of = ''] = new RegExp(`\\{"currency":"${currency}".*?"unitsReturned":\\d+\\}`).exec(totals) ?? [];
    return Object.fromEntries(
      [...of.matchAll(/"(\w+)":(\d+)/g)].map(([, name = '', digits = '']) => [name, digits]),
    );
  }

  async function paidInFull(currency: string, sku: string): Promise<string> {
    const walletId = await fundedWallet(sql, { funds: MOST, currency });
    const { orderId } = await reserved(walletId, [{ sku, quantity: 1 }]);
    expect(await pay(payment(orderId))).toMatchObject({ stage: 'paid' });
    return orderId;
  }

  test('beyond 2^53, of the shop and of a SKU, are written with every digit and agree with their events', async () => {
    const sku = await priced(MOST, 10, 'SEK');
    const first = await paidInFull('SEK', sku);
    await paidInFull('SEK', sku);
    await paidInFull('SEK', sku);
    expect(await refund(refundOf(first, true))).toMatchObject({ stage: 'refunded' });
    await countAll();
    const expected = { paid: '3', revenue: '27021597764222973', refunds: '9007199254740991', unitsSold: '3' };
    expect(await onDay('SEK')).toMatchObject(expected);
    expect(await onDay('SEK', `&sku=${sku}`)).toMatchObject(expected);
    expect(await wrongFigures()).toEqual({ open: 0, repaired: 0 });
  });

  test('that are one unit off beyond 2^53 are found, repaired and listed with every digit', async () => {
    const sku = await priced(MOST, 10, 'NOK');
    await paidInFull('NOK', sku);
    await paidInFull('NOK', sku);
    await countAll();
    await sql`update stat set revenue = revenue + 1 where currency = 'NOK' and sku = ${sku}`;
    expect(await wrongFigures(true)).toEqual({ open: 0, repaired: 1 });
    const findings = await shop.text('/v1/findings?kind=stats_wrong&limit=1');
    expect(findings).toContain('revenue 18014398509481983, by the events 18014398509481982');
    expect(findings).toMatch(/"before":\{[^}]*"revenue":18014398509481983,/);
    expect(findings).toMatch(/"after":\{[^}]*"revenue":18014398509481982,/);
    expect(await onDay('NOK', `&sku=${sku}`)).toMatchObject({ revenue: '18014398509481982' });
    expect(await wrongFigures()).toEqual({ open: 0, repaired: 0 });
  });

  test('beyond PostgreSQL\u2019s integers are counted, and so is an order that exceeds the limit', async () => {
    const sku = await priced(MOST, 10_000, 'DKK');
    await paidInFull('DKK', sku);
    await countAll();
    await sql`update stat set revenue = 9223372036854775807 where currency = 'DKK'`;
    await paidInFull('DKK', sku);
    const walletId = await fundedWallet(sql, { funds: 1, currency: 'DKK' });
    expect(await reserve(anOrder({ walletId, lines: [{ sku, quantity: 10_000 }] }))).toEqual(TOO_MUCH);
    await countAll();
    const expected = { placed: '3', rejected: '1', revenue: '9232379236109516798' };
    expect(await onDay('DKK')).toMatchObject(expected);
    expect(await onDay('DKK', `&sku=${sku}`)).toMatchObject(expected);
    expect(await wrongFigures(true)).toEqual({ open: 0, repaired: 2 });
    expect(await onDay('DKK')).toMatchObject({ revenue: '18014398509481982' });
    const others = await sql`
      select kind, finding from finding where kind not in ('workflow_missing', 'order_overdue', 'stats_wrong')
    `;
    expect([...others]).toEqual([]);
  });

  test('sum over days and stay plain numbers below 2^53', async () => {
    const sku = randomUUID();
    await plant(sql, async (to) => {
      await to`
        insert into stat (
          shop_id, sku, day, currency, placed, rejected, paid, cancelled, expired, refunded, revenue, refunds, units_sold, units_returned
        )
        values
          ('main', ${sku}, '2020-01-01', 'EUR', 9007199254740993, 0, 0, 0, 0, 0, 9007199254740993, 5, 1, 0),
          ('main', ${sku}, '2020-01-02', 'EUR', 1, 0, 0, 0, 0, 0, 9007199254740993, 5, 1, 0)
      `;
    });
    const text = await shop.text(`/v1/stats?from=2020-01-01&to=2020-01-02&sku=${sku}`);
    expect(figuresOf(text, 'EUR')).toMatchObject({
      placed: '9007199254740994',
      revenue: '18014398509481986',
      refunds: '10',
      unitsSold: '2',
    });
    await sql`delete from stat where sku = ${sku}`;
  });
});

describe('an integer from PostgreSQL', () => {
  test('is a number up to 2^53 - 1 on either side of zero, and an error beyond, never a rounded number', async () => {
    const read = (text: string) =>
      database.run(({ sql: pool }) => pool<{ value: number }[]>`select ${text}::text::int8 as value`);
    for (const edge of [MOST, -MOST, 0]) expect((await read(String(edge)))[0]?.value).toBe(edge);
    for (const edge of ['9007199254740992', '9007199254740993', '-9007199254740993', '9223372036854775807'])
      await expect(read(edge)).rejects.toThrow(`PostgreSQL returned ${edge}`);
    // The connections go on.
    expect(await Promise.all(Array.from({ length: 30 }, () => read('7')))).toEqual(
      Array.from({ length: 30 }, () => [{ value: 7 }]),
    );
    expect(() => BIGINT_AS_NUMBER.parse('9007199254740993')).toThrow(RangeError);
  });

  test('keeps its digits through JSON and back', () => {
    const value = { a: 18_014_398_509_481_983n, b: [1, 1.5, -9_007_199_254_740_993n], c: '9007199254740993' };
    const text = stringifyExactly(value);
    expect(text).toBe('{"a":18014398509481983,"b":[1,1.5,-9007199254740993],"c":"9007199254740993"}');
    expect(parseExactly(text)).toEqual(value);
  });
});

test('a wallet that is full refuses what does not fit, and says its limit', async () => {
  const walletId = await fundedWallet(sql, { funds: MOST - 1 });
  await topUp(sql, walletId, 1);
  const answer = await shop.post(`/v1/wallets/${walletId}/deposits`, { amount: 1 });
  expect(expectStatus(answer, 422).body).toMatchObject({ code: 'balance_limit_exceeded' });
});
