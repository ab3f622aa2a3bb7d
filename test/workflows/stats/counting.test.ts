/** The shop's figures are those of its events and its ledger: nothing is lost, and nothing is counted twice. */
import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { createActivities } from '../../../activities/order.ts';
import type { Database } from '../../../db/connection.ts';
import { ormOn } from '../../../db/postgres.ts';
import { countSome, type Counted } from '../../../db/stats/count.ts';
import { pay as payStep } from '../../../db/steps/pay.ts';
import { ensureSchedule, statsSchedule } from '../../../worker/schedules.ts';
import { DAY, NO_FIGURES, NO_ORDERS, countedShop } from '../../support/counted-shop.ts';
import { expectRulesHold } from '../../support/database.ts';
import { plant } from '../../support/planted.ts';
import { reconciling } from '../../support/reconciling.ts';
import { expectStatus, idOf } from '../../support/shop.ts';
import { AT, anOrder, payment, refundOf, releaseTo } from '../../support/step-requests.ts';
import { startSystem } from '../../support/system.ts';
import { until } from '../../support/until.ts';

const system = await startSystem();
const { shop, client, sql, taskQueue, database } = system;
const { readStats, figuresIn, countAll, runStats, listFindings, market } = countedShop(system);
const { reconcile } = reconciling(system);
const { reserve, abandon, pay, release, refund } = createActivities(database);

test('every outcome is counted once, for the shop and for the SKU, whichever step runs again', async () => {
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
  const [total, ...others] = (await readStats(`from=${DAY}&to=${DAY}&sku=${nobody.lines[0]?.sku}`)).totals;
  expect(others).toEqual([]);
  expect(total).toEqual({ ...NO_FIGURES, orders: { ...NO_ORDERS, placed: 2, rejected: 1, cancelled: 1 } });
});

test('an event is counted once by several processes that count at the same time, in small batches', async () => {
  const { currency, paid } = await market();
  await Promise.all(Array.from({ length: 12 }, () => paid()));
  const counting = async () => {
    for (let batch: Counted | 'paused' = 'paused'; batch === 'paused' || !batch.isDone;)
      batch = await countSome(database, 5);
  };
  await Promise.all([counting(), counting(), counting(), countAll()]);
  expect(await figuresIn(currency)).toMatchObject({ orders: { placed: 12, paid: 12 }, revenue: 18_000 });
});

test('an event is counted once when a process is killed while it counts', async () => {
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

test('an event is counted once when its transaction began first and commits last', async () => {
  const [ours, theirs] = [await market(), await market()];
  const late = await ours.reserved();
  const commit = await commitsLate(late);
  // Without the deadlines of a worker, which would end it.
  const patient: Database = {
    ...database,
    run: async (query) => query({ sql, orm: ormOn(sql) }),
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

test('an event is counted once when it was recorded by hand, past every trigger', async () => {
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

test('the schedule of the figures exists once, follows the settings, and counts', async () => {
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

test('reconciliation finds nothing wrong while orders are being counted, and in the end the figures match the answers of the callers', async () => {
  const sku = await shop.sku(10_000);
  const answered = { ...NO_ORDERS };
  const live = new AbortController();
  const buyer = async (number: number) => {
    const [rich, poor] = [await shop.wallet(1_000_000), await shop.wallet(0)];
    for (let turn = number; !live.signal.aborted; turn += 1) {
      const paymentMode = turn % 2 ? 'hold' : 'debit';
      if (turn % 5 === 4) {
        expectStatus(await shop.order(poor, [{ sku, quantity: 2 }], { paymentMode: 'hold' }), 422);
        answered.rejected += 1;
        answered.placed += 1;
        continue;
      }
      const id = idOf(expectStatus(await shop.order(rich, [{ sku, quantity: 2 }], { paymentMode }), 201));
      answered.placed += 1;
      if (turn % 3 === 0) {
        expectStatus(await shop.cancel(id), 200);
        answered.cancelled += 1;
        continue;
      }
      expectStatus(await shop.pay(id), 200);
      answered.paid += 1;
      if (turn % 3 === 1) continue;
      expectStatus(await shop.refund(id, turn % 2 === 0), 200);
      answered.refunded += 1;
    }
  };
  const before = (await listFindings()).length;
  const trading = Promise.allSettled(Array.from({ length: 6 }, (_, number) => buyer(number)));
  for (let run = 0; run < 3; run += 1) await Promise.all([reconcile(true), runStats(), runStats()]);
  live.abort();
  expect((await trading).filter(({ status }) => status === 'rejected')).toEqual([]);
  await runStats();
  await reconcile();
  expect((await listFindings()).slice(before)).toEqual([]);

  // A run around midnight has two days.
  const [yesterday, tomorrow] = [-1, 1].map((days) =>
    new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10),
  );
  const { totals, countedUntil } = await readStats(`from=${yesterday}&to=${tomorrow}&sku=${sku}`);
  const [{ unitsReturned, ...figures } = NO_FIGURES, ...others] = totals;
  expect(others).toEqual([]);
  expect(figures).toEqual({
    currency: 'EUR',
    orders: answered,
    revenue: 1_000 * answered.paid,
    refunds: 1_000 * answered.refunded,
    unitsSold: 2 * answered.paid,
  });
  expect(await shop.stockOf(sku)).toMatchObject({
    onHand: 10_000 - 2 * answered.paid + Number(unitsReturned),
  });
  expect(Date.parse(countedUntil ?? '')).toBeGreaterThan(Date.now() - 60_000);
  await expectRulesHold(sql);
});

test.each([
  ['no days', ''],
  ['a day that does not exist', 'from=2026-02-30&to=2026-03-01'],
  ['something that is not a SKU', 'from=2026-01-01&to=2026-01-02&sku='],
])('figures are refused for %s', async (_what, query) => {
  expect(await shop.get(`/v1/stats?${query}`)).toMatchObject({
    status: 400,
    body: { code: 'validation_failed' },
  });
});

test.each([
  ['an end before the beginning', 'from=2026-02-02&to=2026-02-01'],
  ['more than a year', 'from=2025-01-01&to=2026-01-02'],
])('figures are refused for %s, which no schema can say', async (_what, query) => {
  expect(await shop.get(`/v1/stats?${query}`)).toMatchObject({
    status: 422,
    body: { code: 'incompatible_parameters', errors: [{ field: 'to' }] },
  });
});

test('a leap year is not too long for figures, and days on which nothing happened are left out', async () => {
  expect(await readStats('from=2024-01-01&to=2024-12-31')).toMatchObject({ totals: [], days: [] });
});
