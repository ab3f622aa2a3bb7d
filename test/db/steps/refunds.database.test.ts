/** Refunds in part, as the step that a worker runs, on real PostgreSQL: several of an order, many at once, again, late and cut off. */
import { randomInt, randomUUID } from 'node:crypto';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import { createActivities } from '../../../activities/order.ts';
import { openDatabase } from '../../../db/connection.ts';
import { tookTooLong } from '../../../db/errors.ts';
import { findRefundRefusal, listRefunds } from '../../../db/refunds.ts';
import { refund, type RefundRequest } from '../../../db/steps/refund.ts';
import { pay } from '../../../db/steps/pay.ts';
import { reserve } from '../../../db/steps/reserve.ts';
import type { StepResult } from '../../../db/steps/step.ts';
import { BALANCE_LIMIT } from '../../../domain/limits.ts';
import type { Adjustment, OrderLine } from '../../../domain/order.ts';
import { expectRulesHold, freshDatabase } from '../../support/database.ts';
import { lockWallet } from '../../support/obstacles.ts';
import { AT, anOrder, payment } from '../../support/step-requests.ts';
import { fundedWallet, stockedSku, topUp } from '../../support/stock.ts';
import { until } from '../../support/until.ts';

const { database, sql, url } = await freshDatabase();
afterEach(() => expectRulesHold(sql));

const FUNDS = 1_000_000;
const ALL = { limit: 100, after: 0 };

interface Line extends OrderLine {
  price: number;
}

/** A paid order of these lines, each of which had a hundred units on hand. */
async function paidOrder(
  lines: readonly Omit<Line, 'sku'>[],
  adjust: (skus: readonly string[]) => readonly Adjustment[] = () => [],
) {
  const walletId = await fundedWallet(sql, { funds: FUNDS });
  const skus = await Promise.all(lines.map(({ price }) => stockedSku(sql, { onHand: 100, price })));
  const ordered = lines.map(({ quantity }, index) => ({ sku: skus[index] ?? '', quantity }));
  const order = anOrder({ walletId, lines: ordered, adjustments: adjust(skus) });
  expect(await reserve(database, order)).toMatchObject({ stage: 'awaiting_payment' });
  expect(await pay(database, payment(order.orderId))).toMatchObject({ stage: 'paid' });
  return { orderId: order.orderId, walletId, skus };
}

type Part = Pick<RefundRequest, 'amount' | 'lines'> & { restock?: boolean };

const partOf = (orderId: string, part: Part): RefundRequest => ({
  orderId,
  reason: 'broken',
  commandId: randomUUID(),
  restock: false,
  at: AT,
  ...part,
});

const unitsOf = (sku: string, quantity: number, restock = false) => ({ lines: [{ sku, quantity, restock }] });

/** Runs a refund as its workflow does: again, when PostgreSQL was too busy to answer in time. */
async function refundPatiently(request: RefundRequest): Promise<StepResult> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await refund(database, request);
    } catch (error) {
      if (attempt === 20 || !tookTooLong(error)) throw error;
    }
  }
}

const refundAll = (requests: readonly RefundRequest[]): Promise<StepResult[]> =>
  Promise.all(requests.map(refundPatiently));

const PAID: StepResult = { stage: 'paid', reason: null, refusal: null };
const REFUNDED: StepResult = { stage: 'refunded', reason: 'broken', refusal: null };
const refused = (refusal: string, stage: StepResult['stage'] = 'paid'): StepResult => ({
  stage,
  reason: null,
  refusal,
});

async function readOrder(orderId: string) {
  const [row] = await sql<{ stage: string; reason: string | null; total: number; refunded: number }[]>`
    select stage, reason, total, refunded from orders where id = ${orderId}
  `;
  if (!row) throw new Error(`There is no order ${orderId}.`);
  return row;
}

async function balance(walletId: string): Promise<number | undefined> {
  const [row] = await sql<{ posted: number }[]>`select posted from wallet where id = ${walletId}`;
  return row?.posted;
}

async function onHand(sku: string): Promise<number | undefined> {
  const [row] = await sql<{ units: number }[]>`select on_hand as units from sku where sku = ${sku}`;
  return row?.units;
}

describe('a refund of an amount', () => {
  test('gives it back, leaves the order paid with all its units sold, and is an event of the order', async () => {
    const { orderId, walletId, skus } = await paidOrder([{ quantity: 3, price: 500 }]);
    const request = partOf(orderId, { amount: 400, restock: true });
    expect(await refund(database, request)).toEqual(PAID);
    expect(await readOrder(orderId)).toEqual({ stage: 'paid', reason: null, total: 1_500, refunded: 400 });
    expect(await balance(walletId)).toBe(FUNDS - 1_100);
    expect(await onHand(skus[0] ?? '')).toBe(97);
    const events = await sql`
      select version, from_stage as "from", stage, reason, command_id as command from order_event where order_id = ${orderId} and version > 2
    `;
    expect([...events]).toEqual([
      { version: 3, from: 'paid', stage: 'paid', reason: 'broken', command: request.commandId },
    ]);
    expect(await listRefunds(database, orderId, ALL)).toMatchObject([
      { version: 3, commandId: request.commandId, amount: 400, currency: 'EUR', reason: 'broken', lines: [] },
    ]);
  });

  test('of all that is left leads to refunded, and nothing follows it', async () => {
    const { orderId, walletId } = await paidOrder([{ quantity: 3, price: 500 }]);
    expect(await refund(database, partOf(orderId, { amount: 400 }))).toEqual(PAID);
    expect(await refund(database, partOf(orderId, { amount: 1_100 }))).toEqual(REFUNDED);
    expect(await readOrder(orderId)).toMatchObject({ stage: 'refunded', reason: 'broken', refunded: 1_500 });
    expect(await refund(database, partOf(orderId, { amount: 1 }))).toEqual(
      refused('order_not_refundable', 'refunded'),
    );
    expect(await refund(database, partOf(orderId, {}))).toEqual(refused('order_not_refundable', 'refunded'));
    expect(await balance(walletId)).toBe(FUNDS);
  });

  test('of more than is left is refused for good, and says so whenever it is asked again', async () => {
    const { orderId } = await paidOrder([{ quantity: 3, price: 500 }]);
    await refund(database, partOf(orderId, { amount: 400 }));
    const tooMuch = partOf(orderId, { amount: 1_101 });
    const refusal = refused('refund_exceeds_payment');
    expect(await refundAll([tooMuch, tooMuch])).toEqual([refusal, refusal]);
    expect(await findRefundRefusal(database, orderId, tooMuch.commandId ?? '')).toBe(
      'refund_exceeds_payment',
    );
    expect(await refund(database, partOf(orderId, {}))).toEqual(REFUNDED);
    expect(await refund(database, tooMuch)).toEqual(refused('refund_exceeds_payment'));
    const most = partOf(orderId, { amount: Number.MAX_SAFE_INTEGER });
    expect(await refund(database, most)).toEqual(refused('order_not_refundable', 'refunded'));
  });
});

describe('a refund of units', () => {
  test('gives back what they cost, and puts those on hand that are to be restocked', async () => {
    const { orderId, walletId, skus } = await paidOrder([
      { quantity: 3, price: 500 },
      { quantity: 2, price: 70 },
    ]);
    const [mug = '', spoon = ''] = skus;
    const lines = [
      { sku: mug, quantity: 2, restock: true },
      { sku: spoon, quantity: 1, restock: false },
    ].toSorted((one, other) => (one.sku < other.sku ? -1 : 1));
    expect(await refund(database, partOf(orderId, { lines }))).toEqual(PAID);
    expect(await balance(walletId)).toBe(FUNDS - 1_640 + 1_070);
    expect([await onHand(mug), await onHand(spoon)]).toEqual([99, 98]);
    const [made] = await listRefunds(database, orderId, ALL);
    expect(made?.lines).toEqual(
      lines.map(({ sku, quantity, restock }) => ({
        sku,
        quantity,
        amount: sku === mug ? 1_000 : 70,
        restocked: restock,
      })),
    );
  });

  test('of more units than are left, or of a SKU that the order does not have, is refused for good, and refunds none of its lines', async () => {
    const { orderId, walletId, skus } = await paidOrder([
      { quantity: 3, price: 500 },
      { quantity: 2, price: 70 },
    ]);
    const [mug = '', spoon = ''] = skus;
    await refund(database, partOf(orderId, unitsOf(mug, 2)));
    const left = await balance(walletId);
    const tooMany = partOf(orderId, {
      lines: [
        { sku: mug, quantity: 2, restock: true },
        { sku: spoon, quantity: 1, restock: true },
      ].toSorted((one, other) => (one.sku < other.sku ? -1 : 1)),
    });
    expect(await refund(database, tooMany)).toEqual(refused('refund_exceeds_units'));
    const unknown = partOf(orderId, unitsOf('NO-SUCH-SKU', 1, true));
    expect(await refund(database, unknown)).toEqual(refused('sku_not_in_order'));
    const huge = partOf(orderId, unitsOf(mug, Number.MAX_SAFE_INTEGER));
    expect(await refund(database, huge)).toEqual(refused('refund_exceeds_units'));
    expect(await balance(walletId)).toBe(left);
    expect([await onHand(mug), await onHand(spoon)]).toEqual([97, 98]);
    expect(await findRefundRefusal(database, orderId, tooMany.commandId ?? '')).toBe('refund_exceeds_units');
    expect(await findRefundRefusal(database, orderId, unknown.commandId ?? '')).toBe('sku_not_in_order');
  });

  test('that cost more than is left of the payment is refused', async () => {
    const { orderId, skus } = await paidOrder([{ quantity: 3, price: 500 }]);
    await refund(database, partOf(orderId, { amount: 600 }));
    expect(await refund(database, partOf(orderId, unitsOf(skus[0] ?? '', 2)))).toEqual(
      refused('refund_exceeds_payment'),
    );
    expect(await refund(database, partOf(orderId, unitsOf(skus[0] ?? '', 1)))).toEqual(PAID);
  });

  test('that cost nothing moves no money, and puts them on hand', async () => {
    const { orderId, walletId, skus } = await paidOrder(
      [
        { quantity: 2, price: 500 },
        { quantity: 1, price: 70 },
      ],
      ([, spoon = '']) => [{ kind: 'discount', label: 'a gift', amount: -70, sku: spoon }],
    );
    const [, spoon = ''] = skus;
    const request = partOf(orderId, unitsOf(spoon, 1, true));
    expect(await refundAll([request, request])).toEqual([PAID, PAID]);
    expect(await balance(walletId)).toBe(FUNDS - 1_000);
    expect(await onHand(spoon)).toBe(100);
    expect(await listRefunds(database, orderId, ALL)).toMatchObject([{ amount: 0, transferId: null }]);
  });

  test('comes to exactly what its line costs over all units, however they are divided and rounded', async () => {
    for (let round = 0; round < 12; round += 1) {
      const quantity = randomInt(2, 12);
      const [price, adjusted] = [randomInt(1, 200), randomInt(1, 150)];
      const { orderId, walletId, skus } = await paidOrder([{ quantity, price }], ([sku = '']) => [
        { kind: 'tax', label: 'VAT', amount: adjusted, sku },
        { kind: 'shipping', label: 'parcel', amount: 10 },
      ]);
      const [sku = ''] = skus;
      const net = quantity * price + adjusted;
      for (let left = quantity; left > 0;) {
        const units = randomInt(1, left + 1);
        expect(await refund(database, partOf(orderId, unitsOf(sku, units)))).toEqual(PAID);
        left -= units;
        const shareOf = (of: number) => Math.floor((net * of) / quantity);
        expect((await readOrder(orderId)).refunded).toBe(shareOf(quantity - left));
      }
      expect(await balance(walletId)).toBe(FUNDS - 10);
      expect(await refund(database, partOf(orderId, {}))).toEqual(REFUNDED);
      expect(await balance(walletId)).toBe(FUNDS);
    }
  });
});

describe('a refund of all that is left', () => {
  test('takes back the units that are left and no others, and gives back what is left of the payment', async () => {
    const { orderId, walletId, skus } = await paidOrder([
      { quantity: 3, price: 500 },
      { quantity: 2, price: 70 },
    ]);
    const [mug = '', spoon = ''] = skus;
    await refund(database, partOf(orderId, unitsOf(mug, 1, false)));
    await refund(database, partOf(orderId, { amount: 300 }));
    expect(await refund(database, partOf(orderId, { restock: true }))).toEqual(REFUNDED);
    expect(await balance(walletId)).toBe(FUNDS);
    expect([await onHand(mug), await onHand(spoon)]).toEqual([99, 100]);
    const refunds = await listRefunds(database, orderId, ALL);
    expect(refunds.map(({ version, amount }) => [version, amount])).toEqual([
      [3, 500],
      [4, 300],
      [5, 840],
    ]);
    expect(refunds[2]?.lines.toSorted((one, other) => one.quantity - other.quantity)).toMatchObject([
      { quantity: 2, restocked: true },
      { quantity: 2, restocked: true },
    ]);
    expect(await listRefunds(database, orderId, { after: 3, limit: 1 })).toMatchObject([{ version: 4 }]);
  });

  test('without a command is one, as that of the Web UI’s Cancel', async () => {
    const { orderId, walletId } = await paidOrder([{ quantity: 3, price: 500 }]);
    await refund(database, partOf(orderId, { amount: 300 }));
    const cancel = { ...partOf(orderId, { restock: true }), commandId: null };
    expect(await refundAll([cancel, cancel])).toEqual([REFUNDED, REFUNDED]);
    expect(await refund(database, cancel)).toEqual(REFUNDED);
    expect(await balance(walletId)).toBe(FUNDS);
    expect((await listRefunds(database, orderId, ALL)).map(({ commandId }) => commandId)).toEqual([
      expect.any(String),
      null,
    ]);
  });
});

describe('the same refund', () => {
  const parts: [
    what: string,
    part: (skus: readonly string[]) => Part,
    outcome: StepResult,
    refunded: number,
  ][] = [
    ['an amount', () => ({ amount: 900 }), PAID, 900],
    ['an amount that is all', () => ({ amount: 1_500 }), REFUNDED, 1_500],
    ['units', ([sku = '']) => unitsOf(sku, 2, true), PAID, 1_000],
    ['units that are all', ([sku = '']) => unitsOf(sku, 3, true), REFUNDED, 1_500],
    ['all that is left', () => ({ restock: true }), REFUNDED, 1_500],
  ];

  test.each(parts)(
    'of %s is made once, run ten times at once and again later, and each attempt gets its outcome',
    async (_, part, outcome, refunded) => {
      const { orderId, walletId, skus } = await paidOrder([{ quantity: 3, price: 500 }]);
      const request = partOf(orderId, part(skus));
      const ten = Array.from({ length: 10 }, () => request);
      expect(await refundAll(ten)).toEqual(ten.map(() => outcome));
      await refund(database, partOf(orderId, {}));
      expect(await refund(database, request)).toEqual(outcome);
      expect(await balance(walletId)).toBe(FUNDS);
      const made = await listRefunds(database, orderId, ALL);
      expect(made).toHaveLength(refunded === 1_500 ? 1 : 2);
      expect(made[0]).toMatchObject({ amount: refunded, commandId: request.commandId });
    },
  );
});

describe('fifty refunds of one order at once', () => {
  test('by amount give back as many parts as were paid for, and refuse the others', async () => {
    const { orderId, walletId } = await paidOrder([{ quantity: 3, price: 500 }]);
    const results = await refundAll(Array.from({ length: 50 }, () => partOf(orderId, { amount: 70 })));
    const made = results.filter(({ refusal }) => refusal === null);
    expect(made.map(({ stage }) => stage)).toEqual(Array(21).fill('paid'));
    expect(results.filter(({ refusal }) => refusal === 'refund_exceeds_payment')).toHaveLength(29);
    expect(await balance(walletId)).toBe(FUNDS - 30);
  });

  test('by amount that come out even refund the order in full, once', async () => {
    const { orderId, walletId } = await paidOrder([{ quantity: 3, price: 500 }]);
    const results = await refundAll(Array.from({ length: 50 }, () => partOf(orderId, { amount: 100 })));
    expect(results.filter(({ refusal }) => refusal === null).map(({ stage }) => stage)).toEqual(
      expect.arrayContaining(['refunded']),
    );
    expect(results.filter(({ stage, refusal }) => stage === 'refunded' && refusal === null)).toHaveLength(1);
    expect(results.filter(({ refusal }) => refusal === null)).toHaveLength(15);
    expect(await balance(walletId)).toBe(FUNDS);
  });

  test('by units take back as many as were bought, and put exactly those on hand', async () => {
    const { orderId, walletId, skus } = await paidOrder([
      { quantity: 7, price: 33 },
      { quantity: 5, price: 41 },
    ]);
    const requests = Array.from({ length: 50 }, (_, index) =>
      partOf(orderId, unitsOf(skus[index % 2] ?? '', 1 + (index % 3), true)),
    );
    const results = await refundAll(requests);
    const made = results.filter(({ refusal }) => refusal === null);
    expect(new Set(results.map(({ refusal }) => refusal))).toContain('refund_exceeds_units');
    expect(made.length).toBeGreaterThan(3);
    const refunds = await listRefunds(database, orderId, ALL);
    expect(refunds).toHaveLength(made.length);
    const unitsBack = (sku: string) =>
      refunds
        .flatMap(({ lines }) => lines)
        .reduce((sum, line) => sum + (line.sku === sku ? line.quantity : 0), 0);
    const [mug = '', spoon = ''] = skus;
    expect(await onHand(mug)).toBe(93 + unitsBack(mug));
    expect(await onHand(spoon)).toBe(95 + unitsBack(spoon));
    expect([unitsBack(mug), unitsBack(spoon)]).toEqual([7, 5]);
    expect(await balance(walletId)).toBe(FUNDS);
  });

  test('of every kind never come to more than was paid, nor to more units than were bought', async () => {
    const { orderId, walletId, skus } = await paidOrder(
      [
        { quantity: 9, price: 37 },
        { quantity: 4, price: 101 },
      ],
      ([mug = '']) => [
        { kind: 'discount', label: 'spring', amount: -20, sku: mug },
        { kind: 'fee', label: 'gift wrap', amount: 13 },
      ],
    );
    const requests = Array.from({ length: 50 }, (_, index) => {
      if (index === 40) return partOf(orderId, { restock: true });
      return partOf(
        orderId,
        index % 2 ? { amount: 1 + index } : unitsOf(skus[index % 4 ? 1 : 0] ?? '', 1, true),
      );
    });
    await refundAll(requests);
    const { total, refunded } = await readOrder(orderId);
    expect(refunded).toBeLessThanOrEqual(total);
    expect(await balance(walletId)).toBe(FUNDS - total + refunded);
  });
});

test('refunds that restock the same SKUs in opposite order, and reservations of them, do not deadlock', async () => {
  const lines = Array.from({ length: 3 }, () => ({ quantity: 4, price: 5 }));
  const first = await paidOrder(lines);
  const others = await Promise.all(
    Array.from({ length: 5 }, async () => {
      const order = anOrder({
        walletId: first.walletId,
        lines: first.skus.map((sku) => ({ sku, quantity: 4 })).toReversed(),
      });
      await reserve(database, order);
      await pay(database, payment(order.orderId));
      return order.orderId;
    }),
  );
  const restock = (orderId: string, skus: readonly string[]) =>
    refundPatiently(partOf(orderId, { lines: skus.map((sku) => ({ sku, quantity: 1, restock: true })) }));
  const reserveOne = (skus: readonly string[]) =>
    reserve(
      database,
      anOrder({ walletId: first.walletId, lines: skus.map((sku) => ({ sku, quantity: 1 })) }),
    );
  const outcomes = await Promise.all(
    [first.orderId, ...others].flatMap((orderId, index) => {
      const skus = index % 2 ? first.skus : first.skus.toReversed();
      return [restock(orderId, skus), restock(orderId, skus), reserveOne(skus)];
    }),
  );
  expect(new Set(outcomes.map(({ refusal }) => refusal))).toEqual(new Set([null]));
});

test('a refund whose connection is cut off while it waits has no effect, and the next attempt makes it', async () => {
  const { orderId, walletId, skus } = await paidOrder([{ quantity: 3, price: 500 }]);
  const request = partOf(orderId, unitsOf(skus[0] ?? '', 2, true));
  const free = await lockWallet(sql, walletId);
  const name = `cut ${randomUUID()}`;
  const cut = openDatabase(url, { connections: 1, name });
  onTestFinished(() => cut.close());
  const attempt = refund(cut, request).catch((error: unknown) => error);
  await until('the refund to wait for the wallet', async () => {
    // Order, line and SKU are locked by now.
    const [killed] = await sql`
      select pg_terminate_backend(pid) from pg_stat_activity where application_name = ${name} and wait_event_type = 'Lock'
    `;
    return killed !== undefined;
  });
  expect(await attempt).toBeInstanceOf(Error);
  await free();
  expect(await readOrder(orderId)).toMatchObject({ refunded: 0 });
  expect(await onHand(skus[0] ?? '')).toBe(97);
  expect(await refund(database, request)).toEqual(PAID);
  expect(await refund(database, request)).toEqual(PAID);
  expect(await balance(walletId)).toBe(FUNDS - 500);
  expect(await onHand(skus[0] ?? '')).toBe(99);
});

test('a refund that does not fit into the wallet keeps its key free, a smaller one is made, and both are once there is room', async () => {
  const { orderId, walletId } = await paidOrder([{ quantity: 3, price: 500 }]);
  await topUp(sql, walletId, BALANCE_LIMIT - FUNDS + 1_500 - 600);
  const large = partOf(orderId, { amount: 900 });
  expect(await refund(database, large)).toEqual(refused('wallet_full'));
  expect(await refund(database, partOf(orderId, { amount: 600 }))).toEqual(PAID);
  expect(await refund(database, large)).toEqual(refused('wallet_full'));
  const sku = await stockedSku(sql, { onHand: 1, price: 900 });
  const spent = anOrder({ walletId, lines: [{ sku, quantity: 1 }] });
  await reserve(database, spent);
  await pay(database, payment(spent.orderId));
  expect(await refundAll([large, large])).toEqual([REFUNDED, REFUNDED]);
});

test('a refund of units gives up at once while another session keeps its line locked', async () => {
  const { orderId, skus } = await paidOrder([{ quantity: 3, price: 500 }]);
  const { refund: refundAsActivity } = createActivities(database);
  await sql.begin(async (held) => {
    await held`select from order_line where order_id = ${orderId} for update`;
    const request = partOf(orderId, unitsOf(skus[0] ?? '', 1));
    // An amount needs no line.
    expect(await refundAsActivity(partOf(orderId, { amount: 1 }))).toEqual(PAID);
    await expect(refundAsActivity(request)).rejects.toThrow(`order line ${orderId}/${skus[0]}`);
  });
});
