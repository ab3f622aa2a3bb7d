/** What the reserve step makes of an order's adjustments and of what its caller expects, on real PostgreSQL. */
import * as fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { createActivities } from '../../../activities/order.ts';
import { findOrder } from '../../../db/orders.ts';
import { reserve, reserveAll } from '../../../db/steps/reserve.ts';
import type { PlacedOrder } from '../../../db/steps/step.ts';
import { EXACT_LIMIT } from '../../../domain/limits.ts';
import { ADJUSTMENTS_LIMIT, type Adjustment, type RejectionReason } from '../../../domain/order.ts';
import { expectRulesHold, freshDatabase } from '../../support/database.ts';
import { anOrder, payment, releaseTo } from '../../support/step-requests.ts';
import { fundedWallet, stockedSku } from '../../support/stock.ts';

const { database, sql } = await freshDatabase();
const { pay, release, abandon } = createActivities(database);

afterEach(() => expectRulesHold(sql));

const discount = (amount: number, sku?: string): Adjustment => ({
  kind: 'discount',
  label: 'Off',
  amount: -amount,
  ...(sku !== undefined && { sku }),
});
const fee = (amount: number, sku?: string): Adjustment => ({
  kind: 'fee',
  label: 'Fee',
  amount,
  ...(sku !== undefined && { sku }),
});

const reservedOf = async (sku: string) =>
  (await sql<{ reserved: number }[]>`select reserved from sku where sku = ${sku}`)[0]?.reserved;

describe('any order', () => {
  /** The prices of what can be ordered: the least, some, and the highest that there can be. */
  const PRICES = [1, 999, 4_503_599_627_370_495, EXACT_LIMIT];
  const amount = fc.oneof(
    fc.integer({ min: 1, max: 2_000 }),
    fc.constantFrom(EXACT_LIMIT, EXACT_LIMIT - 1, (EXACT_LIMIT - 1) / 2),
  );
  const contents = fc.record({
    lines: fc.array(
      fc.record({
        sku: fc.nat(PRICES.length - 1),
        quantity: fc.oneof(fc.constantFrom(1, 2, 1_000_000), fc.integer({ min: 1, max: 10 })),
        // What the caller expects, less than right, right, or nothing.
        price: fc.oneof({ weight: 8, arbitrary: fc.constant(null) }, fc.constantFrom(0, 0, 0, 1)),
      }),
      { minLength: 1, maxLength: 4 },
    ),
    adjustments: fc.array(fc.record({ amount, isDiscount: fc.boolean(), line: fc.option(fc.nat(3)) }), {
      maxLength: 6,
    }),
    total: fc.option(fc.constantFrom(0n, 0n, 1n, -1n)),
  });
  type Contents = typeof contents extends fc.Arbitrary<infer C> ? C : never;

  function expectedOf({ lines, adjustments, total: wrongBy }: Contents): {
    reason: RejectionReason | null;
    total: bigint;
  } {
    const priceOf = (sku: number) => BigInt(PRICES[sku] ?? 0);
    const signed = adjustments.map(({ amount: of, isDiscount, line }) => ({
      amount: isDiscount ? -BigInt(of) : BigInt(of),
      sku: line === null ? null : lines[line % lines.length]?.sku,
    }));
    const net = PRICES.map((_, sku) =>
      [
        ...lines.filter((line) => line.sku === sku).map(({ quantity }) => BigInt(quantity) * priceOf(sku)),
        ...signed.filter((adjustment) => adjustment.sku === sku).map((adjustment) => adjustment.amount),
      ].reduce((sum, of) => sum + of, 0n),
    );
    const total =
      net.reduce((sum, of) => sum + of, 0n) +
      signed.filter(({ sku }) => sku === null).reduce((sum, of) => sum + of.amount, 0n);
    const reason = lines.some(({ price }) => price === 1)
      ? 'price_changed'
      : total > BigInt(EXACT_LIMIT)
        ? 'total_limit_exceeded'
        : total <= 0n || net.some((of) => of < 0n)
          ? 'total_not_positive'
          : wrongBy !== null && wrongBy !== 0n
            ? 'total_mismatch'
            : null;
    return { reason, total };
  }

  test('comes to exactly its lines and adjustments, or is refused before anything is done: alone, and among others', async () => {
    const skus = await Promise.all(
      PRICES.map((price) => stockedSku(sql, { onHand: 1_000_000_000_000, price })),
    );
    const walletId = await fundedWallet(sql, { funds: 0 });
    const toOrder = (given: Contents): PlacedOrder => ({
      ...anOrder({
        walletId,
        lines: given.lines.map(({ sku, quantity, price }) => ({
          sku: skus[sku] ?? '',
          quantity,
          ...(price !== null && { expectedPrice: (PRICES[sku] ?? 0) - price }),
        })),
      }),
      adjustments: given.adjustments.map(({ amount: of, isDiscount, line }) =>
        (isDiscount ? discount : fee)(
          of,
          line === null ? undefined : skus[given.lines[line % given.lines.length]?.sku ?? 0],
        ),
      ),
      // A sum that a number cannot hold is none that a caller could send.
      ...(given.total !== null &&
        Number.isSafeInteger(Number(expectedOf(given).total)) && {
          expectedTotal: { amount: Number(expectedOf(given).total + given.total), currency: 'EUR' },
        }),
    });
    const reasons = new Map<string | null, number>();
    let promised = skus.map(() => 0);
    await fc.assert(
      fc.asyncProperty(
        fc.array(contents, { minLength: 12, maxLength: 12 }),
        fc.boolean(),
        async (batch, isGroup) => {
          const orders = batch.map(toOrder);
          if (isGroup) await reserveAll(database, orders);
          else for (const order of orders) await reserve(database, order);
          const recorded = new Map(
            (
              await sql<{ id: string; reason: string | null; total: string | null; units: string }[]>`
                select
                  id, reason, total::text,
                  (select coalesce(sum(quantity), 0)::text from reservation where order_id = orders.id) as units
                from orders where id in ${sql(orders.map(({ orderId }) => orderId))}
              `
            ).map((row) => [row.id, row]),
          );
          batch.forEach((given, index) => {
            const { reason, total } = expectedOf(given);
            const order = recorded.get(orders[index]?.orderId ?? '');
            const units = given.lines.reduce((sum, { quantity }) => sum + quantity, 0);
            expect([order?.reason, order?.units]).toEqual([reason, String(reason === null ? units : 0)]);
            if (reason === null) expect(order?.total).toBe(String(total));
            reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
            if (reason !== null) return;
            for (const { sku, quantity } of given.lines)
              promised = promised.with(sku, (promised[sku] ?? 0) + quantity);
          });
        },
      ),
      { numRuns: 25 },
    );
    expect(await Promise.all(skus.map((sku) => reservedOf(sku)))).toEqual(promised);
    // Each of them has happened, or this would prove nothing.
    for (const reason of [
      null,
      'price_changed',
      'total_limit_exceeded',
      'total_not_positive',
      'total_mismatch',
    ])
      expect([reason, (reasons.get(reason) ?? 0) > 3]).toEqual([reason, true]);
  });

  test('has at most 50 adjustments, and the sum of the largest of them is exact', async () => {
    const [sku, walletId] = await Promise.all([
      stockedSku(sql, { onHand: 1 }),
      fundedWallet(sql, { funds: 0 }),
    ]);
    const half = ADJUSTMENTS_LIMIT / 2;
    const adjustments = [
      ...Array.from({ length: half }, () => fee(EXACT_LIMIT, sku)),
      ...Array.from({ length: half }, () => discount(EXACT_LIMIT, sku)),
    ];
    const order = anOrder({ walletId, lines: [{ sku, quantity: 1 }], adjustments });
    expect(await reserve(database, order)).toMatchObject({ stage: 'awaiting_payment' });
    expect(await findOrder(database, order.orderId)).toMatchObject({ total: 500, adjustments });
  });
});

describe('an order with adjustments', () => {
  async function setUp(order: Partial<PlacedOrder> = {}) {
    const sku = await stockedSku(sql, { onHand: 10 });
    const walletId = await fundedWallet(sql, { funds: 1_400 });
    const adjustments = [discount(200, sku), fee(99)];
    return {
      sku,
      walletId,
      order: anOrder({ walletId, lines: [{ sku, quantity: 3 }], adjustments, ...order }),
    };
  }
  const balanceOf = async (walletId: string) =>
    (
      await sql<{ posted: number; held: number }[]>`select posted, held from wallet where id = ${walletId}`
    )[0];

  test('holds, captures and releases what it comes to, and not what its lines do', async () => {
    const first = await setUp({ paymentMode: 'hold' });
    await reserve(database, first.order);
    expect(await balanceOf(first.walletId)).toEqual({ posted: 1_400, held: 1_399 });
    await pay(payment(first.order.orderId));
    expect(await balanceOf(first.walletId)).toEqual({ posted: 1, held: 0 });
    const second = await setUp({ paymentMode: 'hold' });
    await reserve(database, second.order);
    await release(releaseTo(second.order.orderId, 'expired'));
    expect(await balanceOf(second.walletId)).toEqual({ posted: 1_400, held: 0 });
  });

  test('is recorded once when its reservation runs ten times at once', async () => {
    const { order, sku } = await setUp();
    const results = await Promise.all(Array.from({ length: 10 }, () => reserve(database, order)));
    expect(new Set(results.map(({ stage }) => stage))).toEqual(new Set(['awaiting_payment']));
    expect(await reservedOf(sku)).toBe(3);
    expect(await findOrder(database, order.orderId)).toMatchObject({
      total: 1_399,
      adjustments: order.adjustments,
    });
  });

  test('is decided among orders that have none, and each keeps its own', async () => {
    const { order, sku, walletId } = await setUp();
    const plain = anOrder({ walletId, lines: [{ sku, quantity: 2 }] });
    const refused = anOrder({
      walletId,
      lines: [{ sku, quantity: 1, expectedPrice: 499 }],
      adjustments: [fee(1)],
    });
    const results = await reserveAll(database, [plain, refused, order]);
    expect([plain, refused, order].map(({ orderId }) => results.get(orderId)?.reason)).toEqual([
      null,
      'price_changed',
      null,
    ]);
    expect(await findOrder(database, plain.orderId)).toMatchObject({ total: 1_000, adjustments: [] });
    expect(await findOrder(database, order.orderId)).toMatchObject({ total: 1_399 });
    expect(await findOrder(database, refused.orderId)).toMatchObject({ adjustments: [fee(1)] });
    expect(await reservedOf(sku)).toBe(5);
  });

  test.each([499, 501])(
    'is rejected when two lines of a SKU expect two prices, of which one is right and the other %i',
    async (wrong) => {
      const { order, sku } = await setUp();
      const lines = [500, wrong].map((expectedPrice) => ({ sku, quantity: 1, expectedPrice }));
      expect(await reserve(database, { ...order, lines })).toMatchObject({ reason: 'price_changed' });
    },
  );

  test('keeps them when it is cancelled before it is reserved, and a late reservation does nothing', async () => {
    const { order, sku } = await setUp();
    await abandon({ ...order, reason: 'too early', commandId: null });
    expect(await reserve(database, order)).toMatchObject({ stage: 'cancelled' });
    expect(await findOrder(database, order.orderId)).toMatchObject({
      total: null,
      adjustments: order.adjustments,
      lines: [{ sku, quantity: 3, unitPrice: null }],
    });
    expect(await reservedOf(sku)).toBe(0);
  });
});
