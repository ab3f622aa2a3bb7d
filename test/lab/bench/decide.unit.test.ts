/** The decision of the technique `lock, decide, record`, in code. */
import { array, assert, constantFrom, integer, property, record, tuple } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decideReservations } from '../../../lab/bench/hot-sku/decide.ts';
import { TOTAL_LIMIT } from '../../../domain/limits.ts';
import { anOrder } from '../../support/step-requests.ts';

const WALLET = { id: 'wallet', currency: 'EUR', available: 1_000 };
const MUG = { sku: 'MUG', price: 500, currency: 'EUR', available: 3 };
const LAMP = { sku: 'LAMP', price: TOTAL_LIMIT, currency: 'EUR', available: 3 };
const DOLLARS = { sku: 'PEN', price: 1, currency: 'USD', available: 3 };

const order = (lines: [string, number][], paymentMode: 'debit' | 'hold' = 'debit', walletId = WALLET.id) =>
  anOrder({ walletId, paymentMode, lines: lines.map(([sku, quantity]) => ({ sku, quantity })) });

const reasons = (...orders: ReturnType<typeof order>[]) =>
  decideReservations(orders, [MUG, LAMP, DOLLARS], [WALLET]).map(({ reason }) => reason);

describe('a decision on reservations', () => {
  test('names the first reason that applies to an order', () => {
    expect(
      reasons(
        order([['none', 9]], 'debit', 'unknown'),
        order([
          ['none', 1],
          ['PEN', 9],
        ]),
        order([
          ['PEN', 9],
          ['LAMP', 9],
        ]),
        order([['LAMP', 9]]),
        order([['MUG', 9]], 'hold'),
        order([['MUG', 3]], 'hold'),
        order([['MUG', 3]]),
      ),
    ).toEqual([
      'unknown_wallet',
      'unknown_sku',
      'currency_mismatch',
      'total_limit_exceeded',
      'out_of_stock',
      'insufficient_funds',
      null,
    ]);
  });

  test('sums the lines of a SKU, and leaves later orders what earlier ones did not take', () => {
    expect(
      reasons(
        order([
          ['MUG', 1],
          ['MUG', 1],
        ]),
        order([['MUG', 2]]),
        order([['MUG', 1]]),
      ),
    ).toEqual([null, 'out_of_stock', null]);
  });

  test('leaves out an order without lines, and an order whose wallet is not locked', () => {
    const wallets = [{ ...WALLET, available: null }];
    const orders = [order([]), order([['MUG', 1]], 'hold'), order([['MUG', 3]])];
    expect(decideReservations(orders, [MUG], wallets).map(({ order: { orderId } }) => orderId)).toEqual([
      orders[2]?.orderId,
    ]);
  });

  const anyOrder = record({
    lines: array(tuple(constantFrom('A', 'B', 'C'), integer({ min: 1, max: 4 })), {
      minLength: 1,
      maxLength: 4,
    }),
    paymentMode: constantFrom('debit' as const, 'hold' as const),
  }).map(({ lines, paymentMode }) => order(lines, paymentMode));

  test('grants no more than there is, and refuses only what does not fit into the rest', () => {
    const skus = ['A', 'B', 'C'].map((sku, index) => ({
      sku,
      price: 10 * (index + 1),
      currency: 'EUR',
      available: 6,
    }));
    assert(
      property(array(anyOrder, { maxLength: 12 }), integer({ min: 0, max: 300 }), (orders, funds) => {
        const left = new Map(skus.map(({ sku, available }) => [sku, available]));
        let money = funds;
        const decisions = decideReservations(orders, skus, [{ ...WALLET, available: funds }]);
        expect(decisions.map((decision) => decision.order)).toEqual(orders);
        for (const { order: decided, lines, reason, total } of decisions) {
          const cost = decided.paymentMode === 'hold' ? (total ?? 0) : 0;
          const fits = lines.every(({ sku, quantity }) => quantity <= (left.get(sku) ?? 0));
          expect(reason).toBe(!fits ? 'out_of_stock' : cost > money ? 'insufficient_funds' : null);
          if (reason !== null) continue;
          for (const { sku, quantity } of lines) left.set(sku, (left.get(sku) ?? 0) - quantity);
          money -= cost;
        }
        expect(Math.min(money, ...left.values())).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});
