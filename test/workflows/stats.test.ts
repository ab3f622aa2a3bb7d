/** The shop's figures are those of its events and its ledger: nothing is lost, and nothing counted twice. */
import { randomUUID } from 'node:crypto';
import { drizzle } from 'drizzle-orm/postgres-js';
import { describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { createActivities } from '../../activities/order.ts';
import type { Database } from '../../db/connection.ts';
import { compareDay } from '../../db/stats/compare.ts';
import { countPending, countSome, type Counted } from '../../db/stats/count.ts';
import { pauseCounting, resumeCounting } from '../../db/stats/pause.ts';
import { pay as payStep } from '../../db/steps/pay.ts';
import { ensureSchedule, statsSchedule } from '../../worker/schedules.ts';
import { WORKFLOW, type StatsEnd } from '../../workflows/messages.ts';
import { expectRulesHold } from '../support/database.ts';
import { expectStatus, idOf } from '../support/shop.ts';
import { AT, anOrder, payment, refundOf, releaseTo } from '../support/step-requests.ts';
import { fundedWallet, stockedSku } from '../support/stock.ts';
import { plant } from '../support/planted.ts';
import { reconciling } from '../support/reconciling.ts';
import { startSystem } from '../support/system.ts';
import { until } from '../support/until.ts';

const system = await startSystem();
const { shop, client, sql, database, taskQueue } = system;
const { reconcile } = reconciling(system);
const { reserve, abandon, pay, release, refund } = createActivities(database);

const count = (): Promise<StatsEnd> =>
  client.workflow.execute<() => Promise<StatsEnd>>(WORKFLOW.stats, {
    workflowId: `stats-${randomUUID()}`,
    taskQueue,
  });

const NONE = { placed: 0, rejected: 0, paid: 0, cancelled: 0, expired: 0, refunded: 0 };
const NOTHING = { orders: NONE, revenue: 0, refunds: 0, unitsSold: 0, unitsReturned: 0 };

const statsSchema = z.looseObject({
  countedUntil: z.string().nullable(),
  totals: z.array(z.looseObject({ currency: z.string().optional() })),
  days: z.array(z.looseObject({ day: z.string(), currency: z.string().optional() })),
});

async function stats(query: string) {
  return statsSchema.parse(expectStatus(await shop.get(`/v1/stats?${query}`), 200).body);
}

const [DAY = ''] = AT.split('T');

/** The figures of the steps' day, in a currency that only this test uses. */
async function figuresIn(currency: string, more = '') {
  const { totals } = await stats(`from=${DAY}&to=${DAY}${more}`);
  return totals.find((total) => total.currency === currency) ?? { currency, ...NOTHING };
}

const CURRENCIES = ['CHF', 'JPY', 'SEK', 'NOK', 'PLN', 'CZK', 'HUF', 'DKK', 'AUD', 'CAD', 'NZD', 'ZAR'];
function freshCurrency(): string {
  const currency = CURRENCIES.pop();
  if (currency === undefined) throw new Error('No currency is left for this test.');
  return currency;
}

/** Orders of 3 units at 500, by their own wallets, that can each be paid. */
async function market() {
  const currency = freshCurrency();
  const sku = await stockedSku(sql, { onHand: 1_000, currency });
  const anOrderHere = async (paymentMode: 'debit' | 'hold' = 'debit') => {
    const walletId = await fundedWallet(sql, { funds: 2_000, currency });
    return anOrder({ walletId, paymentMode, lines: [{ sku, quantity: 3 }] });
  };
  const reserved = async (paymentMode: 'debit' | 'hold' = 'debit') => {
    const order = await anOrderHere(paymentMode);
    await reserve(order);
    return order.orderId;
  };
  const paid = async (paymentMode: 'debit' | 'hold' = 'debit') => {
    const orderId = await reserved(paymentMode);
    await pay(payment(orderId));
    return orderId;
  };
  return { currency, sku, anOrderHere, reserved, paid };
}

const countAll = () => countPending(database, 20_000);

test('every outcome is counted once, for the shop and for the SKU, whatever runs again', async () => {
  const { currency, sku, anOrderHere, reserved, paid } = await market();
  const twice = async (step: () => Promise<unknown>) => {
    await Promise.all([step(), step()]);
    await countAll();
    await step();
  };
  const order = await anOrderHere('hold');
  await twice(() => reserve(order));
  const paymentOf = payment(order.orderId);
  await twice(() => pay(paymentOf));
  const [restocked, kept] = [await paid(), await paid('hold')];
  const [refundOne, refundOther] = [refundOf(restocked, true), refundOf(kept, false)];
  await twice(() => refund(refundOne));
  await twice(() => refund(refundOther));
  const [cancelled, expired] = [await reserved('hold'), await reserved()];
  await twice(() => release(releaseTo(cancelled, 'cancelled')));
  await twice(() => release(releaseTo(expired, 'expired')));
  const tooMuch = { ...(await anOrderHere()), lines: [{ sku, quantity: 5_000 }] };
  await twice(() => reserve(tooMuch));
  await countAll();

  const figures = {
    currency,
    orders: { placed: 6, rejected: 1, paid: 3, cancelled: 1, expired: 1, refunded: 2 },
    revenue: 4_500,
    refunds: 3_000,
    unitsSold: 9,
    unitsReturned: 3,
  };
  expect(await figuresIn(currency)).toEqual(figures);
  expect(await figuresIn(currency, `&sku=${sku}`)).toEqual(figures);
  await expectRulesHold(sql);
});

test('an order that was never priced is counted without a currency', async () => {
  const nobody = anOrder({
    walletId: randomUUID(),
    lines: [{ sku: `GONE-${randomUUID().slice(0, 8)}`, quantity: 1 }],
  });
  await reserve(nobody);
  const left = anOrder({ walletId: randomUUID(), lines: nobody.lines });
  await abandon({ ...left, reason: 'test', commandId: null });
  await countAll();
  const [total, ...others] = (await stats(`from=${DAY}&to=${DAY}&sku=${nobody.lines[0]?.sku}`)).totals;
  expect(others).toEqual([]);
  expect(total).toEqual({ ...NOTHING, orders: { ...NONE, placed: 2, rejected: 1, cancelled: 1 } });
});

describe('an event is counted once', () => {
  test('by several that count at the same time, in small batches', async () => {
    const { currency, paid } = await market();
    await Promise.all(Array.from({ length: 12 }, () => paid()));
    const counting = async () => {
      for (let batch: Counted | 'paused' = 'paused'; batch === 'paused' || !batch.isDone;)
        batch = await countSome(database, 5);
    };
    await Promise.all([counting(), counting(), counting(), countAll()]);
    expect(await figuresIn(currency)).toMatchObject({ orders: { placed: 12, paid: 12 }, revenue: 18_000 });
  });

  test('when who counts is killed meanwhile', async () => {
    const { currency, paid } = await market();
    await paid();
    await countAll();
    await Promise.all([paid(), paid()]);
    const killed = await sql.begin(async (transaction) => {
      await transaction`select from stat where currency = ${currency} and sku = '' for update`;
      const counting = countAll().then(
        () => 'counted',
        () => 'killed',
      );
      await until('the count to be waiting for the figures', async () => {
        const ended = await sql`
          select pg_terminate_backend(pid)
          from pg_stat_activity
          where datname = current_database() and wait_event_type = 'Lock' and query like '%delete from stat_pending%'
        `;
        return ended.length > 0 ? true : undefined;
      });
      return counting;
    });
    expect(killed).toBe('killed');
    expect(await figuresIn(currency)).toMatchObject({ orders: { paid: 1 } });
    await countAll();
    expect(await figuresIn(currency)).toMatchObject({ orders: { paid: 3 }, revenue: 4_500, unitsSold: 9 });
  });

  test('when its transaction began first and commits last', async () => {
    const [ours, theirs] = [await market(), await market()];
    const late = await ours.reserved();
    const commit = await commitsLate(late);
    // Without the deadlines of a worker, which would end it.
    const patient: Database = {
      ...database,
      run: async (query) => query({ sql, orm: drizzle(sql) }),
    };
    const paying = payStep(patient, payment(late));
    await commit.untilWaiting();
    await theirs.paid();
    await countAll();
    expect(await figuresIn(ours.currency)).toMatchObject({ orders: { placed: 1, paid: 0 }, revenue: 0 });
    expect(await figuresIn(theirs.currency)).toMatchObject({
      orders: { placed: 1, paid: 1 },
      revenue: 1_500,
    });
    await commit.now();
    expect(await paying).toMatchObject({ stage: 'paid' });
    await countAll();
    expect(await figuresIn(ours.currency)).toMatchObject({ orders: { placed: 1, paid: 1 }, revenue: 1_500 });
  });

  /** Makes the transaction that records an event of this order wait with its commit, when it has done all else. */
  async function commitsLate(orderId: string) {
    const KEY = 815;
    const holder = await sql.reserve();
    await holder`select pg_advisory_lock(${KEY})`;
    await sql.unsafe(`
      create function wait_with_commit() returns trigger language plpgsql as $$
      begin perform pg_advisory_xact_lock(${KEY}); return null; end $$;
      create constraint trigger commits_late after insert on order_event deferrable initially deferred
        for each row when (new.order_id = '${orderId}') execute function wait_with_commit();
    `);
    return {
      untilWaiting: () =>
        until('the transaction to wait with its commit', async () => {
          const waiting = await holder`
            select from pg_locks
            where locktype = 'advisory' and not granted
              and database = (select oid from pg_database where datname = current_database())
          `;
          return waiting.length > 0 ? true : undefined;
        }),
      now: async () => {
        await holder`select pg_advisory_unlock(${KEY})`;
        holder.release();
      },
    };
  }

  test('also when it was recorded by hand, past every trigger', async () => {
    const { currency, reserved } = await market();
    const id = await reserved();
    await countAll();
    await plant(sql, async (transaction) => {
      await transaction`
        insert into order_event (order_id, version, from_stage, stage, reason, at)
        values (${id}, 2, 'awaiting_payment', 'cancelled', 'by hand', ${AT})
      `;
      await transaction`update orders set stage = 'cancelled', version = 2 where id = ${id}`;
    });
    await countAll();
    expect(await figuresIn(currency)).toMatchObject({ orders: { placed: 1, cancelled: 1 } });
    await reconcile();
    await expectRulesHold(sql);
  });
});

const statFindings = async () =>
  sql<{ subject: string; state: string; finding: string; before: unknown; after: unknown }[]>`
    select subject, state, finding, before, after
    from finding left join repair on repair.finding_id = finding.id
    where kind = 'stats_wrong'
    order by finding.id
  `;

describe('a figure that is not what it sums is found', () => {
  test('with both values, and repaired only when somebody says so', async () => {
    const { currency, sku, paid } = await market();
    await refund(refundOf(await paid(), true));
    await paid();
    await countAll();
    const [shopWide, ofSku] = [`${DAY}/${currency}`, `${DAY}/${currency}/${sku}`];
    await sql`update stat set revenue = revenue + 7, placed = 1 where currency = ${currency} and sku = ''`;
    await sql`delete from stat where currency = ${currency} and sku = ${sku}`;
    expect(await reconcile()).toMatchObject({ found: 2, repaired: 0 });
    const found = (await statFindings()).filter(({ subject }) => subject.includes(currency));
    expect(found).toMatchObject([
      {
        subject: shopWide,
        state: 'open',
        finding: 'placed 1, by the events 2; revenue 3007, by the events 3000',
      },
      {
        subject: ofSku,
        state: 'open',
        finding: expect.stringContaining('units returned 0, by the events 3'),
      },
    ]);
    expect(await figuresIn(currency)).toMatchObject({ revenue: 3_007 });

    expect(await reconcile(true)).toMatchObject({ found: 2, repaired: 2 });
    const repaired = (await statFindings()).filter(({ subject }) => subject.includes(currency));
    expect(repaired).toMatchObject([
      { state: 'repaired', before: { revenue: 3_007, placed: 1 }, after: { revenue: 3_000, placed: 2 } },
      { state: 'repaired', before: { paid: 0 }, after: { paid: 2, refunded: 1 } },
    ]);
    expect(await figuresIn(currency, `&sku=${sku}`)).toMatchObject({ revenue: 3_000, unitsReturned: 3 });
    expect(await reconcile()).toMatchObject({ found: 0 });
  });

  test('when an event was lost before it was counted, counted twice, or made up', async () => {
    const { currency, paid } = await market();
    await paid();
    await countAll();
    const lost = await paid();
    await sql`delete from stat_pending where order_id = ${lost} and version = 2`;
    await sql`insert into stat_pending (order_id, version) values (${lost}, 1)`;
    await sql`
      insert into stat select sku, '1999-12-31', currency, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0
      from stat where currency = ${currency} and sku = ''
    `;
    await reconcile();
    const found = (await statFindings()).filter(({ subject }) => subject.endsWith(currency));
    expect(found).toMatchObject([
      { subject: `1999-12-31/${currency}`, finding: 'placed 1, by the events 0' },
      {
        finding: expect.stringContaining('placed 3, by the events 2; paid 1, by the events 2; revenue 1500'),
      },
    ]);
    await reconcile(true);
    expect(await figuresIn(currency)).toMatchObject({ orders: { placed: 2, paid: 2 }, revenue: 3_000 });
  });
});

describe('a day is compared with what it sums', () => {
  /** The shop's first orders of a day that no other test uses, as many as take several pages, with one event each. */
  async function plantDay(day: string, orders: number): Promise<void> {
    const currency = freshCurrency();
    // They have no more than what is counted: other tests would find them broken.
    onTestFinished(async () => {
      await plant(sql, async (to) => {
        await to`delete from order_event using orders where order_id = id and buyer_id = ${day}`;
        await to`delete from orders where buyer_id = ${day}`;
        await to`delete from stat where day = ${day}`;
      });
    });
    await plant(sql, async (transaction) => {
      await transaction`
        insert into orders (
          id, buyer_id, wallet_id, payment_mode, stage, currency, total, payment_deadline, created_at, updated_at, version
        )
        select
          lpad(to_hex(number), 32, '0')::uuid, ${day}, gen_random_uuid(), 'debit', 'rejected', ${currency}, 1, now(),
          now(), now(), 1
        from generate_series(1, ${orders}::integer) as number
      `;
      // Many at the same time, so that pages end between events of one instant.
      await transaction`
        insert into order_event (order_id, version, stage, reason, at)
        select id, 1, 'rejected', 'planted', ${day}::text::timestamptz + row_number() over (order by id) % 10 * interval '1 hour'
        from orders where buyer_id = ${day}
      `;
    });
  }

  test('in as many pages as it takes, the last event of a day included', async () => {
    const DAY_OF_MANY = '2020-02-29';
    await plantDay(DAY_OF_MANY, 5_000);
    const [late] = await sql`
      select order_id from order_event
      where at >= ${DAY_OF_MANY} and at < '2020-03-01' order by at desc, order_id desc limit 1
    `;
    await plant(sql, async (transaction) => {
      await transaction`
        update order_event set at = '2020-02-29 23:59:59.999Z' where order_id = ${String(late?.['order_id'])}
      `;
    });
    await countAll();
    let pages = 0;
    expect(await compareDay(database, DAY_OF_MANY, () => (pages += 1))).toMatchObject({ differences: [] });
    expect(pages).toBe(3);
    await sql`update stat set rejected = rejected + 1 where day = ${DAY_OF_MANY}`;
    expect(await compareDay(database, DAY_OF_MANY)).toMatchObject({
      differences: [{ counted: { rejected: 5_001n }, source: { rejected: 5_000n } }],
    });
    await resumeCounting(database);
    await reconcile(true);
  });

  test('while nobody counts', async () => {
    const { currency, paid } = await market();
    await pauseCounting(database);
    await paid();
    expect(await countSome(database, 1_000)).toBe('paused');
    expect(await figuresIn(currency)).toMatchObject({ orders: { placed: 0 } });
    const counting = countAll();
    await resumeCounting(database);
    expect(await counting).toMatchObject({ isDone: true });
    expect(await figuresIn(currency)).toMatchObject({ orders: { placed: 1, paid: 1 } });
  });

  test('again when somebody counted all the same', async () => {
    const { currency, paid } = await market();
    await paid();
    await countAll();
    let pages = 0;
    const late = async (): Promise<void> => {
      pages += 1;
      if (pages > 1) return;
      await paid();
      await resumeCounting(database);
      await countAll();
    };
    // Stands still after its first page for as long as the others wait.
    const slow: Database = {
      ...database,
      run: async (query) => {
        const result = await database.run(query);
        const isPage = JSON.stringify(result)?.includes('"next"') ?? false;
        if (isPage) await late();
        return result;
      },
    };
    expect(await compareDay(slow, DAY)).toMatchObject({ differences: [] });
    expect(pages).toBeGreaterThan(1);
    await resumeCounting(database);
    expect(await figuresIn(currency)).toMatchObject({ orders: { paid: 2 } });
  });
});

test('the schedule is there once, follows the settings, and counts', async () => {
  const wanted = statsSchedule({ taskQueue, every: 60_000 });
  const schedule = client.schedule.getHandle(wanted.scheduleId);
  try {
    await Promise.all([ensureSchedule(client, wanted), ensureSchedule(client, wanted)]);
    await ensureSchedule(client, statsSchedule({ taskQueue, every: 30_000 }));
    expect(await schedule.describe()).toMatchObject({
      spec: { intervals: [{ every: 30_000 }] },
      state: { paused: false },
      policies: { overlap: 'SKIP' },
    });
    await schedule.trigger();
    const run = await until('a run', async () => (await schedule.describe()).info.recentActions[0]);
    const handle = client.workflow.getHandle(run.action.workflow.workflowId);
    expect(await handle.result()).toEqual({ counted: expect.any(Number) });
  } finally {
    await schedule.delete();
  }
});

test('beside live orders nothing is found, and in the end the figures are what the callers were told', async () => {
  const sku = await shop.sku(10_000);
  const told = { ...NONE };
  const live = new AbortController();
  const buyer = async (number: number) => {
    const [rich, poor] = [await shop.wallet(1_000_000), await shop.wallet(0)];
    for (let turn = number; !live.signal.aborted; turn += 1) {
      const paymentMode = turn % 2 ? 'hold' : 'debit';
      if (turn % 5 === 4) {
        expectStatus(await shop.order(poor, [{ sku, quantity: 2 }], { paymentMode: 'hold' }), 422);
        told.rejected += 1;
        told.placed += 1;
        continue;
      }
      const id = idOf(expectStatus(await shop.order(rich, [{ sku, quantity: 2 }], { paymentMode }), 201));
      told.placed += 1;
      if (turn % 3 === 0) {
        expectStatus(await shop.cancel(id), 200);
        told.cancelled += 1;
        continue;
      }
      expectStatus(await shop.pay(id), 200);
      told.paid += 1;
      if (turn % 3 === 1) continue;
      expectStatus(await shop.refund(id, turn % 2 === 0), 200);
      told.refunded += 1;
    }
  };
  const before = (await statFindings()).length;
  const trading = Promise.allSettled(Array.from({ length: 8 }, (_, number) => buyer(number)));
  for (let run = 0; run < 5; run += 1) await Promise.all([reconcile(true), count(), count()]);
  live.abort();
  expect((await trading).filter(({ status }) => status === 'rejected')).toEqual([]);
  await count();
  await reconcile();
  expect((await statFindings()).slice(before)).toEqual([]);

  // Whoever runs this around midnight has two days.
  const [yesterday, tomorrow] = [-1, 1].map((days) =>
    new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10),
  );
  const { totals, countedUntil } = await stats(`from=${yesterday}&to=${tomorrow}&sku=${sku}`);
  const [{ unitsReturned, ...figures } = NOTHING, ...others] = totals;
  expect(others).toEqual([]);
  expect(figures).toEqual({
    currency: 'EUR',
    orders: told,
    revenue: 1_000 * told.paid,
    refunds: 1_000 * told.refunded,
    unitsSold: 2 * told.paid,
  });
  expect(await shop.stockOf(sku)).toMatchObject({ onHand: 10_000 - 2 * told.paid + Number(unitsReturned) });
  expect(Date.parse(countedUntil ?? '')).toBeGreaterThan(Date.now() - 60_000);
  await expectRulesHold(sql);
});

describe('figures are refused for', () => {
  test.each([
    ['no days', ''],
    ['a day that does not exist', 'from=2026-02-30&to=2026-03-01'],
    ['an end before the beginning', 'from=2026-02-02&to=2026-02-01'],
    ['more than a year', 'from=2025-01-01&to=2026-01-02'],
    ['something that is no SKU', 'from=2026-01-01&to=2026-01-02&sku='],
  ])('%s', async (_what, query) => {
    expect(await shop.get(`/v1/stats?${query}`)).toMatchObject({
      status: 400,
      body: { code: 'validation_failed' },
    });
  });

  test('a leap year is not too long, and days on which nothing happened are left out', async () => {
    expect(await stats('from=2024-01-01&to=2024-12-31')).toMatchObject({ totals: [], days: [] });
  });
});
