/** Reservations of the same SKU that wait in one worker are done in one statement, with the guarantees of each done alone. */
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { openDatabase, type Database } from '../../db/connection.ts';
import { isDatabaseUnavailable } from '../../db/errors.ts';
import { cancelReservation } from '../../db/steps/cancel-reservation.ts';
import { groupReservations } from '../../activities/reservation-queue.ts';
import { reserve, reserveAll } from '../../db/steps/reserve.ts';
import type { PlacedOrder, StepResult } from '../../db/steps/step.ts';
import { expectRulesHold, freshDatabase } from '../support/database.ts';
import { startProxy } from '../support/proxy.ts';
import { anOrder } from '../support/step-requests.ts';
import { fundedWallet, stockedSku, type SkuOptions } from '../support/stock.ts';
import { lockSku, lockWallet } from '../support/obstacles.ts';
import { until } from '../support/until.ts';

const { database, sql, url } = await freshDatabase();
const walletId = await fundedWallet(sql, { funds: 0 });

afterEach(() => expectRulesHold(sql));

const GRANTED = expect.objectContaining({ stage: 'awaiting_payment', reason: null, refusal: null });
const OUT_OF_STOCK = { stage: 'rejected', reason: 'out_of_stock', refusal: null };

/** A worker as far as reservations go, which counts what it asks of PostgreSQL. */
function aWorker(its: Database = database) {
  let statements = 0;
  const counting: Database = {
    run(query) {
      statements += 1;
      return its.run(query);
    },
    transaction: (work) => its.transaction(work),
  };
  return { reserve: groupReservations(counting), statements: () => statements };
}

const units = (sku: string, quantity = 1, order: Partial<PlacedOrder> = {}): PlacedOrder =>
  anOrder({ walletId, lines: [{ sku, quantity }], ...order });

const each = (skus: readonly string[], order: Partial<PlacedOrder> = {}): PlacedOrder =>
  anOrder({ walletId, lines: skus.map((sku) => ({ sku, quantity: 1 })), ...order });

/** Several SKUs, in the order in which statements lock them. */
async function stockedSkus(...options: SkuOptions[]): Promise<string[]> {
  const skus: string[] = [];
  for (const [index, option] of options.entries()) {
    const sku = await stockedSku(sql, option);
    const name = `${index}-${sku}`;
    await sql`
      with renamed as (
        insert into sku (shop_id, sku, name, price, currency, on_hand, reserved)
        select shop_id, ${name}, name, price, currency, on_hand, reserved from sku where sku = ${sku}
      )
      insert into stock_movement (shop_id, id, sku, kind, quantity) values ('main', gen_random_uuid(), ${name}, 'initial', ${option.onHand})
    `;
    skus.push(name);
  }
  return skus;
}

async function stock(sku: string) {
  const [row] = await sql<{ onHand: number; reserved: number }[]>`
    select on_hand as "onHand", reserved from sku where sku = ${sku}
  `;
  return row;
}

/** Resolves when exactly `count` statements of this database wait for a lock. */
const untilWaiting = (count: number): Promise<true> =>
  until(`${count} statements to wait for a lock`, async () => {
    const [row] = await sql<{ waiting: number }[]>`
      select count(*)::integer as waiting
      from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'
    `;
    return row?.waiting === count ? true : undefined;
  });

/** What is written of an order and of its first line. */
async function recorded({ orderId }: PlacedOrder) {
  const [row] = await sql<{ reason: string | null }[]>`
    select stage, reason, payment_mode, currency, total, payment_deadline, version, sku, quantity, unit_price
    from orders join order_line on order_line.order_id = orders.id
    where id = ${orderId}
    order by sku
    limit 1
  `;
  return { ...row };
}

/** Asks for all of them at once: the first runs alone, the others wait for it and are one statement. */
const atOnce = (worker: ReturnType<typeof aWorker>, orders: readonly PlacedOrder[]): Promise<StepResult[]> =>
  Promise.all(orders.map((order) => worker.reserve(order)));

test('an order that is sent again with another deadline while it is being reserved keeps the recorded deadline', async () => {
  const sku = await stockedSku(sql, { onHand: 10 });
  const worker = aWorker();
  const letGo = await lockSku(sql, sku);
  const order = units(sku);
  const answers = Promise.all([
    worker.reserve(order),
    worker.reserve({ ...order, paymentDeadline: '2031-01-01T00:00:00.000Z' }),
  ]);
  await untilWaiting(1);
  await letGo();
  expect(await answers).toEqual([
    GRANTED,
    expect.objectContaining({ stage: 'awaiting_payment', paymentDeadline: order.paymentDeadline }),
  ]);
  expect(await stock(sku)).toEqual({ onHand: 10, reserved: 1 });
});

describe('a batch of reservations', () => {
  test('is served in order of arrival, and a smaller order still fits after a larger one was refused', async () => {
    const sku = await stockedSku(sql, { onHand: 10 });
    const worker = aWorker();
    const results = await atOnce(
      worker,
      [1, 4, 6, 3, 2, 1].map((quantity) => units(sku, quantity)),
    );
    expect(results).toEqual([GRANTED, GRANTED, OUT_OF_STOCK, GRANTED, GRANTED, OUT_OF_STOCK]);
    expect(await stock(sku)).toEqual({ onHand: 10, reserved: 10 });
    expect(worker.statements()).toBe(2);
  });

  test('reserves every line of an order or none', async () => {
    const [plenty = '', scarce = ''] = await stockedSkus({ onHand: 4 }, { onHand: 1 });
    const both = { lines: [plenty, scarce, plenty].map((sku) => ({ sku, quantity: 1 })) };
    const worker = aWorker();
    const orders = [units(plenty), units(plenty, 1, both), units(plenty, 1, both), units(plenty)];
    expect(await atOnce(worker, orders)).toEqual([GRANTED, GRANTED, OUT_OF_STOCK, GRANTED]);
    expect(await stock(plenty)).toEqual({ onHand: 4, reserved: 4 });
    expect(await stock(scarce)).toEqual({ onHand: 1, reserved: 1 });
    expect(worker.statements()).toBe(2);
  });

  test('holds no more money than a wallet has, and books the hold of each order', async () => {
    const sku = await stockedSku(sql, { onHand: 10, price: 500 });
    const payer = await fundedWallet(sql, { funds: 1_499 });
    const hold = { walletId: payer, paymentMode: 'hold' } as const;
    const worker = aWorker();
    const orders = [
      units(sku),
      units(sku, 1, hold),
      units(sku, 2, hold),
      units(sku, 1, hold),
      units(sku, 1, { walletId: payer }),
    ];
    const noFunds = { stage: 'rejected', reason: 'insufficient_funds', refusal: null };
    expect(await atOnce(worker, orders)).toEqual([GRANTED, GRANTED, noFunds, GRANTED, GRANTED]);
    expect(await sql`select posted, held from wallet where id = ${payer}`).toEqual([
      { posted: 1_499, held: 1_000 },
    ]);
    expect(worker.statements()).toBe(2);
  });

  test('refuses each order for its own reason, and records its price as a single reservation does', async () => {
    const [euros = '', dollars = ''] = await stockedSkus({ onHand: 9 }, { onHand: 9, currency: 'USD' });
    const orders = [
      units(euros),
      each([euros, 'none']),
      units(euros, 2, { walletId: '018f0000-0000-7000-8000-000000000000' }),
      each([euros, dollars]),
      units(euros, 9),
      units(euros, 1, { paymentMode: 'hold' }),
    ];
    const alone = [];
    for (const order of orders) {
      const twin = { ...order, orderId: units(euros).orderId };
      await reserve(database, twin);
      alone.push(await recorded(twin));
    }
    await atOnce(aWorker(), orders);
    expect(await Promise.all(orders.map((order) => recorded(order)))).toEqual(alone);
    expect(alone.map(({ reason }) => reason)).toEqual([
      null,
      'unknown_sku',
      'unknown_wallet',
      'currency_mismatch',
      'out_of_stock',
      'insufficient_funds',
    ]);
  });

  test('has at most 128 lines, and the orders beyond them form the next batch', async () => {
    const sku = await stockedSku(sql, { onHand: 299 });
    const worker = aWorker();
    const results = await atOnce(
      worker,
      Array.from({ length: 300 }, () => units(sku)),
    );
    expect(results).toEqual([...Array.from({ length: 299 }, () => GRANTED), OUT_OF_STOCK]);
    // 1, 128, 128 and 43.
    expect(worker.statements()).toBe(4);
  });
});

describe('an order in the reservation queue', () => {
  test('waits for no order with which it shares no SKU', async () => {
    const [locked = '', free = ''] = await stockedSkus({ onHand: 1 }, { onHand: 1 });
    const worker = aWorker();
    const unlock = await lockSku(sql, locked);
    const slow = [units(locked), units(locked)].map((order) => worker.reserve(order));
    expect(await worker.reserve(units(free))).toEqual(GRANTED);
    await unlock();
    expect(await Promise.all(slow)).toEqual([GRANTED, OUT_OF_STOCK]);
  });

  test('is not overtaken by a later order, not even for a SKU that is free', async () => {
    const [busy = '', free = ''] = await stockedSkus({ onHand: 2 }, { onHand: 1 });
    const orders = [units(busy), each([busy, free]), units(free)];
    expect(await atOnce(aWorker(), orders)).toEqual([GRANTED, GRANTED, OUT_OF_STOCK]);
  });

  test('shares its result with a retry that arrives while it is still running or waiting', async () => {
    const sku = await stockedSku(sql, { onHand: 5 });
    const [running, waiting] = [units(sku), units(sku)];
    const worker = aWorker();
    const results = await atOnce(worker, [running, waiting, running, waiting, waiting]);
    expect(results).toEqual(Array.from({ length: 5 }, () => GRANTED));
    expect(worker.statements()).toBe(2);
    expect(await worker.reserve(waiting)).toEqual(GRANTED);
    expect(await stock(sku)).toEqual({ onHand: 5, reserved: 2 });
  });
});

describe('a twin attempt at a reservation', () => {
  test('takes nothing once the first attempt is recorded', async () => {
    const sku = await stockedSku(sql, { onHand: 4 });
    const retried = units(sku);
    await reserve(database, retried);
    const refused = units(sku, 5);
    await reserve(database, refused);
    const worker = aWorker();
    const results = await atOnce(worker, [units(sku), retried, refused, units(sku), units(sku)]);
    expect(results).toEqual([GRANTED, GRANTED, OUT_OF_STOCK, GRANTED, GRANTED]);
    expect(worker.statements()).toBe(2);
  });

  test('by each of ten workers at once reserves once in all, and all ten get the same result', async () => {
    const sku = await stockedSku(sql, { onHand: 10 });
    const order = units(sku, 3);
    const results = await Promise.all(Array.from({ length: 10 }, () => aWorker().reserve(order)));
    expect(results).toEqual(Array.from({ length: 10 }, () => GRANTED));
    expect(await stock(sku)).toEqual({ onHand: 10, reserved: 3 });
  });

  test('that commits while the batch waits for the SKU does not cause a later order to be refused', async () => {
    const [locked = '', shared = ''] = await stockedSkus({ onHand: 2 }, { onHand: 9 });
    const [twin, later] = [each([locked, shared]), each([locked, shared])];
    const unlock = await lockSku(sql, locked);
    const other = aWorker().reserve(twin);
    await untilWaiting(1);
    const batch = atOnce(aWorker(), [units(shared), twin, later]);
    await untilWaiting(2);
    await unlock();
    expect(await other).toEqual(GRANTED);
    expect(await batch).toEqual([GRANTED, GRANTED, GRANTED]);
    expect(await stock(locked)).toEqual({ onHand: 2, reserved: 2 });
  });

  test('whose order is cancelled while the batch waits for the SKU takes nothing from a later order', async () => {
    const [locked = '', shared = ''] = await stockedSkus({ onHand: 1 }, { onHand: 9 });
    const [abandoned, later] = [each([locked, shared]), each([locked, shared])];
    const unlock = await lockSku(sql, locked);
    const batch = atOnce(aWorker(), [units(shared), abandoned, later]);
    await untilWaiting(1);
    const cancelled = { stage: 'cancelled', reason: 'changed my mind', refusal: null };
    expect(
      await cancelReservation(database, { ...abandoned, reason: 'changed my mind', commandId: null }),
    ).toMatchObject(cancelled);
    await unlock();
    expect(await batch).toEqual([GRANTED, cancelled, GRANTED]);
    expect(await stock(locked)).toEqual({ onHand: 1, reserved: 1 });
  });

  test('in the same batch makes the whole statement fail, so that nothing is reserved', async () => {
    const sku = await stockedSku(sql, { onHand: 9 });
    const order = units(sku);
    await expect(reserveAll(database, [order, units(sku), order])).rejects.toThrow('duplicate key');
    expect(await stock(sku)).toEqual({ onHand: 9, reserved: 0 });
  });
});

describe('when a reservation fails,', () => {
  test('only the order that PostgreSQL refuses fails, and fails again when it is sent again', async () => {
    const sku = await stockedSku(sql, { onHand: 9 });
    const poison = units(sku, 0);
    const worker = aWorker();
    const results = await Promise.allSettled(
      [units(sku), units(sku), poison, units(sku)].map((order) => worker.reserve(order)),
    );
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
    await expect(worker.reserve(poison)).rejects.toThrow('quantity_positive');
    expect(await worker.reserve(units(sku))).toEqual(GRANTED);
    expect(await stock(sku)).toEqual({ onHand: 9, reserved: 4 });
  });

  test('a wallet that stays locked fails only its own orders, however often they are tried', async () => {
    const sku = await stockedSku(sql, { onHand: 9, price: 1 });
    const [locked, free] = [await fundedWallet(sql, { funds: 9 }), await fundedWallet(sql, { funds: 9 })];
    const stuck = units(sku, 1, { walletId: locked, paymentMode: 'hold' });
    const worker = aWorker();
    const unlock = await lockWallet(sql, locked);
    for (let attempt = 1; attempt <= 2; attempt += 1) {
      const orders = [units(sku), stuck, units(sku, 1, { walletId: free, paymentMode: 'hold' }), units(sku)];
      const [first, failed, second, third] = await Promise.allSettled(
        orders.map((order) => worker.reserve(order)),
      );
      expect(failed).toMatchObject({ status: 'rejected', reason: { code: '55P03' } });
      const served = { status: 'fulfilled', value: GRANTED };
      expect([first, second, third]).toEqual([served, served, served]);
    }
    await unlock();
    expect(await worker.reserve(stuck)).toEqual(GRANTED);
    expect(await stock(sku)).toEqual({ onHand: 9, reserved: 7 });
  });

  test('a SKU that stays locked fails its orders, and serves them once it is free', async () => {
    const [locked = '', shared = ''] = await stockedSkus({ onHand: 9 }, { onHand: 9 });
    const worker = aWorker();
    const unlock = await lockSku(sql, locked);
    const orders = [units(shared), units(shared), each([locked, shared]), units(locked), units(shared)];
    const results = await Promise.allSettled(orders.map((order) => worker.reserve(order)));
    expect(results.slice(0, 2)).toEqual([
      { status: 'fulfilled', value: GRANTED },
      { status: 'fulfilled', value: GRANTED },
    ]);
    expect(results.slice(2, 4)).toMatchObject([
      { status: 'rejected', reason: { code: '55P03' } },
      { status: 'rejected', reason: { code: '55P03' } },
    ]);
    await unlock();
    expect(await atOnce(worker, orders)).toEqual(orders.map(() => GRANTED));
  });

  describe('every order of a batch', async () => {
    const proxy = await startProxy(inject('databaseUrl'));
    beforeEach(() => proxy.heal());

    test('fails once if PostgreSQL does not answer, and is served when PostgreSQL is back', async () => {
      const sku = await stockedSku(sql, { onHand: 40 });
      const severed = openDatabase(proxy.through(url), { connections: 2, name: 'test' });
      const worker = aWorker(severed);
      const orders = Array.from({ length: 20 }, () => units(sku));
      proxy.cut();
      const results = await Promise.allSettled(orders.map((order) => worker.reserve(order)));
      const away = results.filter(
        (result) => result.status === 'rejected' && isDatabaseUnavailable(result.reason),
      );
      expect(away).toHaveLength(orders.length);
      // The first one, and all the others.
      expect(worker.statements()).toBe(2);
      proxy.heal();
      expect(await atOnce(worker, orders)).toEqual(orders.map(() => GRANTED));
      await severed.close();
    });
  });
});

test('200 callers of two workers for 20 units of a SKU get 20 units, in far fewer statements than orders', async () => {
  const [hot = '', other = ''] = await stockedSkus({ onHand: 20, price: 1 }, { onHand: 1_000, price: 1 });
  const payer = await fundedWallet(sql, { funds: 1_000 });
  const [one, another] = [aWorker(), aWorker()];
  const orders = Array.from({ length: 200 }, (_, index) =>
    each(index % 3 === 0 ? [other, hot] : [hot], {
      walletId: payer,
      paymentMode: index % 5 === 0 ? 'hold' : 'debit',
    }),
  );
  const results = await Promise.all(
    orders.map((order, index) => (index % 2 === 0 ? one : another).reserve(order)),
  );
  expect(results.filter((result) => result.stage === 'awaiting_payment')).toHaveLength(20);
  expect(results.filter((result) => result.reason === 'out_of_stock')).toHaveLength(180);
  expect(await stock(hot)).toEqual({ onHand: 20, reserved: 20 });
  expect(one.statements() + another.statements()).toBeLessThan(orders.length / 4);
});

test('workers whose orders name the same SKUs in opposite order, with holds on one wallet, do not deadlock', async () => {
  const skus = await stockedSkus(...Array.from({ length: 4 }, () => ({ onHand: 1_000, price: 1 })));
  const payer = await fundedWallet(sql, { funds: 1_000 });
  const workers = Array.from({ length: 6 }, () => aWorker());
  const results = await Promise.all(
    workers.flatMap((worker, index) =>
      Array.from({ length: 20 }, () =>
        worker.reserve(
          each(index % 2 === 0 ? skus : skus.toReversed(), { walletId: payer, paymentMode: 'hold' }),
        ),
      ),
    ),
  );
  expect(results).toEqual(results.map(() => GRANTED));
});
