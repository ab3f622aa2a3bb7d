/** Dropping a month of orders' events loses no figure, hides no damage, and waits for all who still need one of them. */
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Database } from '../../db/connection.ts';
import { openDatabase } from '../../db/connection.ts';
import type { Queryable } from '../../db/postgres.ts';
import { compareAllDays } from '../../db/repairs/figures.ts';
import { checkRules } from '../../db/rules/rules.ts';
import { compareDay, nextDay } from '../../db/stats/compare.ts';
import { countPending } from '../../db/stats/count.ts';
import { resumeCounting } from '../../db/stats/pause.ts';
import { readStats } from '../../db/stats/read.ts';
import { pay } from '../../db/steps/pay.ts';
import { refund } from '../../db/steps/refund.ts';
import { release } from '../../db/steps/release.ts';
import { ALL_SHOPS } from '../../domain/shops.ts';
import { expectRulesHold, freshDatabase } from '../support/database.ts';
import {
  dropMonth,
  makeEventMonths,
  ordersOfMonths,
  publishAll,
  refundAt,
} from '../support/dropped-months.ts';
import { inMonths, nameOf } from '../support/months.ts';
import { plant } from '../support/planted.ts';

const { url, database, sql } = await freshDatabase();
const shop = await ordersOfMonths({ database, sql });
const { sku, placed, paid, refunded, expired, countAll } = shop;

/** Each test drops its own month, and all that were before. */
let month = 1;
beforeEach(async () => {
  month += 2;
  await makeEventMonths(sql, placedAt(), 2);
});
afterEach(async () => {
  await countAll();
  expect(await differences()).toEqual([]);
  await expectRulesHold(sql);
});

/** What is wrong with the figures of any day. */
async function differences() {
  const found = await compareAllDays(database);
  await resumeCounting(database);
  return found;
}

const placedAt = () => inMonths(month);
const later = () => inMonths(month + 1, 20);
const monthEnd = () => inMonths(month + 1, 1);

/** Drops the month of the test and all before it, until only months are left that stay. */
async function dropAll(before = monthEnd()) {
  for (;;) {
    const months = await dropMonth(sql, before);
    if (!months.some(({ dropped }) => dropped !== null)) return months;
  }
}

/** Counts and drops. */
async function dropCounted() {
  await countAll();
  return dropAll();
}

/** Drops all months before the one of the test, so that the next drop is about that. */
async function dropEarlier() {
  await countAll();
  await dropAll(inMonths(month, 1));
}

const dayOf = (at: Date): string => at.toISOString().slice(0, 10);

const countEvents = async (orderId: string): Promise<number> =>
  (await sql`select from order_event where order_id = ${orderId}`).length;

const allFigures = () =>
  readStats(database, { shop: ALL_SHOPS, from: '2000-01-01', to: '2100-01-01', sku: undefined });

describe('the figures', () => {
  test('of every day are the same after a month was dropped, and still equal what they count', async () => {
    await refunded(placedAt(), later());
    await refunded(placedAt(), later(), false);
    await refunded(inMonths(month + 1), later());
    await expired(placedAt());
    await paid(placedAt(), 'hold');
    const last = await paid(inMonths(month + 1));
    await countAll();
    const before = await allFigures();
    expect(await dropCounted()).toEqual([]);
    expect((await allFigures()).days).toEqual(before.days);
    expect(await differences()).toEqual([]);
    expect(await countEvents(last.orderId)).toBe(2);
    const archived = await sql<{ refunded: number }[]>`
      select refunded from stat_archived where day = ${later().toISOString()}::timestamptz::date and sku = ''
    `;
    expect([...archived]).toEqual([{ refunded: 2 }]);
  });

  test('of refunds in part are the same, too: money as the ledger has it, units as each was, and an order refunded once', async () => {
    const { orderId } = await paid(placedAt());
    const { orderId: partly } = await paid(placedAt());
    const ofUnit = (restock: boolean) => ({ lines: [{ sku, quantity: 1, restock }] });
    await refund(database, { ...refundAt(orderId, later()), amount: 300 });
    await refund(database, { ...refundAt(orderId, later()), ...ofUnit(true) });
    await refund(database, refundAt(orderId, later(), false));
    await refund(database, { ...refundAt(partly, later()), ...ofUnit(false) });
    await countAll();
    const day = dayOf(later());
    const figures = async (of: string | undefined) =>
      (await readStats(database, { shop: ALL_SHOPS, from: day, to: day, sku: of })).days[0]?.figures;
    const orders = { paid: 0n, refunded: 1n, revenue: 0n, units_sold: 0n, units_returned: 1n };
    expect(await figures(undefined)).toMatchObject({ ...orders, refunds: 1_500n });
    // The amount is of no SKU, and the rest of the order was of a unit that cost more than was left.
    expect(await figures(sku)).toMatchObject({ ...orders, refunded: 1n, refunds: 1_500n });
    const before = await allFigures();
    expect(await dropCounted()).toEqual([]);
    expect((await allFigures()).days).toEqual(before.days);
  });

  test('that are changed after a month was dropped are found, with what is left and what was kept', async () => {
    await refunded(placedAt(), later());
    await refunded(inMonths(month + 1), later());
    await dropCounted();
    const day = dayOf(later());
    await sql`update stat set refunds = refunds + 7 where day = ${day} and sku = ''`;
    expect(await differences()).toMatchObject([{ finding: 'refunds 2007, by the events 2000' }]);
    await sql`update stat set refunds = refunds - 7 where day = ${day} and sku = ''`;
  });

  test('of a day that has nothing but dropped events are compared, too', async () => {
    await paid(placedAt());
    await dropCounted();
    const day = dayOf(placedAt());
    expect(await nextDay(database, dayOf(inMonths(month, 9)))).toBe(day);
    const rows = await sql`delete from stat where day = ${day} returning *`;
    expect(await nextDay(database, dayOf(inMonths(month, 9)))).toBe(day);
    const compared = await compareDay(database, day);
    await resumeCounting(database);
    expect(compared.differences).toMatchObject([
      { sku: '', counted: { paid: 0n }, source: { paid: 1n } },
      { sku, counted: { paid: 0n }, source: { paid: 1n } },
    ]);
    await sql`insert into stat ${sql(rows)}`;
  });

  test('are compared again when a month was dropped in the meantime', async () => {
    await refunded(placedAt(), later());
    await refunded(inMonths(month + 1), later());
    await countAll();
    let pages = 0;
    // The month goes after the first page was read.
    const slow: Database = {
      ...database,
      run: async (query) => {
        const result = await database.run(query);
        if (JSON.stringify(result)?.includes('"next"')) {
          pages += 1;
          if (pages === 1) await dropAll();
        }
        return result;
      },
    };
    expect(await compareDay(slow, dayOf(later()))).toMatchObject({ differences: [] });
    await resumeCounting(database);
    expect(pages).toBe(2);
  });
});

describe('of an order whose events are dropped', () => {
  class Undone extends Error {}

  /** The rules that are broken once the damage is done, which is undone. */
  async function rulesBrokenBy(damage: (to: Queryable) => Promise<unknown>): Promise<number[]> {
    let broken: number[] = [];
    await plant(sql, async (to) => {
      await damage(to);
      const reports = await checkRules(to);
      broken = reports.filter(({ breaches }) => breaches.length > 0).map(({ rule }) => rule.number);
      throw new Undone();
    }).catch((error: unknown) => {
      if (!(error instanceof Undone)) throw error;
    });
    return broken;
  }

  interface OldOrders {
    old: string;
    given: string;
    wallet: string;
  }
  const DAMAGES: [
    rule: number,
    damage: string,
    plant: (to: Queryable, orders: OldOrders) => Promise<unknown>,
  ][] = [
    [1, 'a wrong counter of reserved units', (to) => to`update sku set reserved = reserved + 1`],
    [2, 'units from nowhere', (to) => to`update sku set on_hand = on_hand + 1`],
    [3, 'missing units', (to, { old }) => to`delete from reservation where order_id = ${old}`],
    [3, 'a missing line', (to, { old }) => to`delete from order_line where order_id = ${old}`],
    [
      3,
      'a missing step',
      (to, { old }) => to`delete from order_step where order_id = ${old} and step = 'pay'`,
    ],
    [
      5,
      'a wrong balance',
      (to, { wallet }) => to`update wallet set posted = posted + 1 where id = ${wallet}`,
    ],
    [6, 'a payment that vanished', (to, { old }) => to`delete from transfer where order_id = ${old}`],
    [
      6,
      'a refund that vanished',
      (to, { given }) => to`delete from transfer where order_id = ${given} and kind = 'refund'`,
    ],
    [
      7,
      'a stage that its units are not in',
      (to, { old }) => to`update orders set stage = 'expired' where id = ${old}`,
    ],
  ];

  test.each(DAMAGES)('rule %i is broken by %s', async (rule, _damage, damage) => {
    const order = await paid(placedAt());
    const { orderId: given } = await refunded(placedAt(), later());
    await dropCounted();
    expect(await countEvents(order.orderId)).toBe(0);
    const orders = { old: order.orderId, given, wallet: order.walletId };
    expect(await rulesBrokenBy((to) => damage(to, orders))).toContain(rule);
  });

  test('only events that were dropped are not missed', async () => {
    const { orderId: old } = await paid(placedAt());
    const { orderId: young } = await paid(inMonths(month + 1));
    await dropCounted();
    expect(await rulesBrokenBy((to) => to`delete from order_event where order_id = ${young}`)).toEqual([9]);
    const half = (to: Queryable) => to`
      insert into order_event (order_id, version, from_stage, stage, at)
      values (${old}, 2, 'awaiting_payment', 'paid', now())
    `;
    expect(await rulesBrokenBy(half)).toEqual([9]);
  });

  test('the money is not given back: the step refuses that, as often as it runs, and leaves nothing', async () => {
    const { orderId, walletId } = await paid(placedAt());
    await dropCounted();
    const refusal = { stage: 'paid', reason: null, refusal: 'order_too_old' };
    expect(await refund(database, refundAt(orderId, later()))).toEqual(refusal);
    expect(await refund(database, refundAt(orderId, later()))).toEqual(refusal);
    expect(await sql`select from order_step where order_id = ${orderId} and step = 'refund'`).toHaveLength(0);
    expect([...(await sql`select posted from wallet where id = ${walletId}`)]).toEqual([{ posted: 4_000 }]);
  });

  test('a refund that was made is still its answer', async () => {
    const { orderId } = await paid(placedAt());
    const request = refundAt(orderId, later());
    const made = { stage: 'refunded', reason: 'broken', refusal: null };
    expect(await refund(database, request)).toEqual(made);
    await dropCounted();
    expect(await refund(database, request)).toEqual(made);
    expect(await refund(database, refundAt(orderId, later()))).toMatchObject({
      refusal: 'order_not_refundable',
    });
  });

  test('another order of its month that is recorded only now lives like any order, and goes later', async () => {
    await paid(placedAt());
    await dropCounted();
    const { orderId } = await paid(placedAt());
    expect(await refund(database, refundAt(orderId, later()))).toMatchObject({ stage: 'refunded' });
    expect(await countEvents(orderId)).toBe(3);
    await expectRulesHold(sql);
    await makeEventMonths(sql, placedAt(), 0);
    expect(await dropCounted()).toEqual([]);
    expect(await countEvents(orderId)).toBe(0);
  });

  test('the stage cannot change, and no event can be added', async () => {
    const { orderId } = await paid(placedAt());
    await dropCounted();
    await expect(
      sql`update orders set stage = 'refunded', refunded = total, version = 3 where id = ${orderId}`,
    ).rejects.toThrow('orders_at_last_event');
    await expect(sql`update orders set stage = 'cancelled' where id = ${orderId}`).rejects.toThrow(
      'orders_at_last_event',
    );
    await expect(
      sql`insert into order_event (order_id, version, from_stage, stage, at) values (${orderId}, 3, 'paid', 'refunded', now())`,
    ).rejects.toThrow('order_event_follows');
    await sql`update orders set updated_at = updated_at where id = ${orderId}`;
  });
});

describe('a month stays', () => {
  /** Whether the month was kept, why, and that it goes once that is over. */
  async function expectKeptUntil(why: RegExp, orderId: string, over: () => Promise<unknown>): Promise<void> {
    const events = await countEvents(orderId);
    const archived = await sql`select * from stat_archived`;
    expect(await dropMonth(sql, monthEnd())).toEqual([
      { dropped: null, rows: null, kept: expect.stringMatching(why) },
    ]);
    expect(await countEvents(orderId)).toBe(events);
    expect(await sql`select * from stat_archived`).toEqual(archived);
    await over();
    expect(await dropCounted()).toEqual([]);
    expect(await countEvents(orderId)).toBe(0);
  }

  beforeEach(dropEarlier);

  test('while one of its orders is open, and goes once it is not', async () => {
    await paid(placedAt());
    const { orderId, at } = await placed(placedAt());
    await countAll();
    await expectKeptUntil(new RegExp(`order ${orderId} is open`), orderId, () =>
      release(database, { orderId, to: 'cancelled', reason: 'test', commandId: null, at }),
    );
  });

  test('while one of its events is not published, and goes with what was published of it once it is', async () => {
    const { orderId } = await paid(placedAt());
    await countPending(database, 20_000);
    await expectKeptUntil(/event 1 of order .* is not published yet/, orderId, () => publishAll(database));
    expect(await sql`select from published_event where order_id = ${orderId}`).toHaveLength(0);
  });

  test('while one of its events is not counted, and goes once it is', async () => {
    const { orderId } = await paid(placedAt());
    await publishAll(database);
    await expectKeptUntil(/not counted yet/, orderId, countAll);
  });

  test('while a process is counting one of its events', async () => {
    const { orderId } = await paid(placedAt());
    await publishAll(database);
    const counting = openDatabase(url, { connections: 1, name: 'counting' });
    try {
      await counting
        .transaction(async (transaction) => {
          await transaction`delete from stat_pending where order_id = ${orderId}`;
          expect(await dropMonth(sql, monthEnd())).toMatchObject([
            { kept: expect.stringContaining('not counted yet') },
          ]);
          throw new Error('undone');
        })
        .catch(() => {});
    } finally {
      await counting.close();
    }
    await expectKeptUntil(/not counted yet/, orderId, countAll);
  });

  test('while one of its orders has an open finding, and goes once that is closed', async () => {
    const { orderId } = await paid(placedAt());
    await countAll();
    await sql`
      insert into finding (id, kind, subject, order_id, finding, first_seen, last_seen)
      values (${randomUUID()}, 'workflow_failed', ${orderId}, ${orderId}, 'is paid, and its refund failed', now(), now())
    `;
    await expectKeptUntil(
      /open finding: workflow_failed/,
      orderId,
      () => sql`update finding set state = 'gone', ended_at = now() where order_id = ${orderId}`,
    );
  });

  test('while one of its orders needs a person, and goes once it does not', async () => {
    const { orderId } = await paid(placedAt());
    await countAll();
    await sql`
      insert into attention (workflow_id, raised_at, order_id, shop_id, step, reason)
      values (${`refund-${orderId}`}, now(), ${orderId}, 'main', 'refund', 'wallet_full')
    `;
    await expectKeptUntil(
      /needs attention: wallet_full/,
      orderId,
      () => sql`update attention set cleared_at = now() where order_id = ${orderId}`,
    );
  });

  test('alone: later months go, and its orders keep what they can do', async () => {
    const kept = await placed(placedAt());
    const other = await paid(placedAt());
    const gone = await paid(inMonths(month + 1));
    await countAll();
    const months = [];
    for (let count = 0; count < 2; count += 1) months.push(...(await dropMonth(sql, inMonths(month + 2, 1))));
    expect(months.filter(({ dropped }) => dropped !== null)).toHaveLength(1);
    expect(await countEvents(gone.orderId)).toBe(0);
    await expectRulesHold(sql);
    await pay(database, { orderId: kept.orderId, commandId: randomUUID(), at: kept.at });
    expect(await refund(database, refundAt(kept.orderId, later()))).toMatchObject({ stage: 'refunded' });
    expect(await refund(database, refundAt(other.orderId, later()))).toMatchObject({ stage: 'refunded' });
    await dropCounted();
    expect(await countEvents(kept.orderId)).toBe(0);
    month += 1;
  });
});

describe('a month is dropped', () => {
  test('once, also when two do it at the same time and when it is done again', async () => {
    await paid(placedAt());
    await dropEarlier();
    const drops = () => sql`select from dropped_partition where table_name = 'order_event'`;
    const before = await drops();
    const both = await Promise.all([dropMonth(sql, monthEnd()), dropMonth(sql, monthEnd())]);
    expect(both.flat()).toMatchObject([{ rows: 2, kept: null }]);
    expect(await dropMonth(sql, monthEnd())).toEqual([]);
    expect(await drops()).toHaveLength(before.length + 1);
  });

  test('and a refund that waited for it is made when the drop fails', async () => {
    const { orderId } = await paid(placedAt());
    await dropEarlier();
    const partition = `order_event_${nameOf(placedAt())}`;
    const failed = sql.begin(async (transaction) => {
      await transaction`select before_drop_order_event(${partition}::text::regclass)`;
      await expect(refund(database, refundAt(orderId, later()))).rejects.toThrow(/lock/);
      throw new Error('the drop failed');
    });
    await expect(failed).rejects.toThrow('the drop failed');
    expect(await refund(database, refundAt(orderId, later()))).toMatchObject({ stage: 'refunded' });
    expect(await dropCounted()).toEqual([]);
  });

  test('while a refund of one of its orders waits: the refund is refused once the month is gone', async () => {
    const { orderId, walletId } = await paid(placedAt());
    await dropEarlier();
    const refusal = { stage: 'paid', reason: null, refusal: 'order_too_old' };
    await sql.begin(async (transaction) => {
      await transaction`select from drop_month_partitions('order_event', ${monthEnd()}, 1)`;
      await expect(refund(database, refundAt(orderId, later()))).rejects.toThrow(/lock/);
    });
    expect(await refund(database, refundAt(orderId, later()))).toEqual(refusal);
    expect([...(await sql`select posted from wallet where id = ${walletId}`)]).toEqual([{ posted: 4_000 }]);
  });
});
