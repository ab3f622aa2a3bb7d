/** What a shop is run by is measured each minute, and each threshold that is crossed opens one alert until it has healed. */
import { randomUUID } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { afterEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { createMonitorActivities, type MonitorSettings } from '../../activities/monitor.ts';
import { clearAttention, raiseAttention } from '../../db/attention.ts';
import { keepMeasurements } from '../../db/monitor/measurements.ts';
import { workerSettings } from '../../settings.ts';
import { monitorSettings } from '../../worker/monitor-settings.ts';
import { ensureSchedule, monitorSchedule } from '../../worker/schedules.ts';
import { MEASURES, RUN_NAMES, type Measure, type RunName } from '../../domain/measures.ts';
import type { MonitorEnd } from '../../domain/measures.ts';
import { WORKFLOW } from '../../workflows/messages.ts';
import { freshDatabase } from '../support/database.ts';
import { plant, plantOrders, plantPayments } from '../support/planted.ts';
import { reconciling } from '../support/reconciling.ts';
import { expectStatus } from '../support/shop.ts';
import { startSystem } from '../support/system.ts';
import { lockSku } from '../support/obstacles.ts';
import { unansweredOrder } from '../support/unanswered.ts';
import { until } from '../support/until.ts';

const MINUTE = 60_000;

const system = await startSystem();
const { shop, client, sql, database, taskQueue, url } = system;
const { reconcile } = reconciling(system);

const settings = monitorSettings(workerSettings({ DATABASE_URL: url, TEMPORAL_ADDRESS: 'localhost:1' }));
/** The monitor's activities as a worker with other settings has them. */
const activities = (changed: Partial<MonitorSettings> = {}) =>
  createMonitorActivities(database, { ...settings, ...changed });

const monitor = (): Promise<MonitorEnd> =>
  client.workflow.execute<() => Promise<MonitorEnd>>(WORKFLOW.monitor, {
    workflowId: `monitor-${randomUUID()}`,
    taskQueue,
  });

const measurementSchema = z.looseObject({
  minute: z.string(),
  name: z.string(),
  value: z.number(),
  subjects: z.array(z.string()),
});
const alertSchema = z.looseObject({ id: z.string(), state: z.string(), value: z.number() });

/** All of a list, in pages of `limit`. */
async function listed<Item>(path: string, item: z.ZodType<Item>, limit = 100): Promise<Item[]> {
  const items: Item[] = [];
  for (let cursor = ''; ;) {
    const { body } = expectStatus(await shop.get(`${path}&limit=${limit}${cursor}`), 200);
    items.push(...z.array(item).parse(body['items']));
    if (body['nextCursor'] === null) return items;
    cursor = `&cursor=${z.string().parse(body['nextCursor'])}`;
  }
}
const alertsOf = (name: Measure) => listed(`/v1/alerts?name=${name}`, alertSchema);
const latest = async (name: Measure) =>
  (await listed(`/v1/measurements?name=${name}`, measurementSchema)).at(0);
const noticesOf = (name: Measure) =>
  sql`select event from alert_notice join alert on alert.id = alert_id where name = ${name} order by at`;

// Every test begins with nothing of the last hour, and nothing open.
afterEach(async () => {
  await plant(sql, async (to) => {
    await to`update order_step set recorded_at = recorded_at - interval '1 day'`;
    await to`update idempotency_key set recorded_at = recorded_at - interval '1 day'`;
    await to`update orders set stage = 'expired' where stage = 'awaiting_payment'`;
    await to`update finding set state = 'gone', ended_at = now() where state = 'open'`;
  });
  await activities().measure({ at: new Date().toISOString() });
});

/** An order of 2 units at 500. */
async function placed() {
  const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(5_000)]);
  return { sku, wallet, id: await shop.placed(wallet, sku, 2) };
}

interface Crossed {
  /** Null when it is not up to the test. */
  value: number | null;
  subjects?: readonly string[];
  heal: () => Promise<unknown>;
  /** As the worker's, unless it has to be another. */
  thresholds?: { crossed: number; healed: number };
}

/** How each measure gets to the wrong side of its threshold, and back to the threshold itself or the other side. */
const CROSSED: Readonly<Record<Measure, () => Promise<Crossed>>> = {
  orders_past_deadline: async () => {
    const { id } = await placed();
    await plant(
      sql,
      (to) => to`update orders set payment_deadline = now() - interval '2 minutes' where id = ${id}`,
    );
    return { value: 1, subjects: [id], heal: () => shop.cancel(id) };
  },

  orders_pending_long: async () => {
    const ids = await plantOrders(sql, 11, { age: 31 * MINUTE });
    // These are not yet.
    await plantOrders(sql, 5, { age: 29 * MINUTE });
    const [first = ''] = ids;
    const expire = () => plant(sql, (to) => to`update orders set stage = 'expired' where id = ${first}`);
    return { value: 11, subjects: ids.toSorted(), heal: expire };
  },

  busy_buyers: async () => {
    await plantPayments(sql, 50, { buyerId: 'often' });
    await plantPayments(sql, 50, { buyerId: 'not that often' });
    await plantPayments(sql, 1, { buyerId: 'often', currency: 'USD' });
    await plantPayments(sql, 9, { buyerId: 'refused', total: 1_000_000, reason: 'insufficient_funds' });
    const heal = () =>
      plant(
        sql,
        (to) => to`
          update order_step set recorded_at = recorded_at - interval '1 hour'
          from orders where orders.id = order_id and buyer_id = 'often' and currency = 'USD'
        `,
      );
    return { value: 1, subjects: ['often'], heal };
  },

  stock_anomalies: async () => {
    const { sku } = await placed();
    await plant(sql, (to) => to`update sku set on_hand = 12 where sku = ${sku}`);
    await reconcile(false);
    return { value: 1, subjects: [sku], heal: () => reconcile(true) };
  },

  payment_failure_rate: async () => {
    await plantPayments(sql, 98);
    await plantPayments(sql, 2, { reason: 'insufficient_funds' });
    // Came too late, and was never tried.
    await plantPayments(sql, 5, { reason: 'order_expired' });
    // One in a hundred is on the threshold.
    return { value: 0.02, heal: () => plantPayments(sql, 100) };
  },

  order_latency_p99: async () => {
    const { id } = await placed();
    const { sku } = await placed();
    const taken = (seconds: number) =>
      plant(
        sql,
        (to) => to`
          update idempotency_key set recorded_at = step.recorded_at - ${seconds}::double precision * interval '1 second'
          from order_step as step where step.order_id = idempotency_key.command_id and step.step = 'reserve'
        `,
      );
    await taken(1);
    await plant(
      sql,
      (to) => to`
        update idempotency_key set recorded_at = recorded_at - interval '2 seconds' where command_id = ${id}
      `,
    );
    expect(await shop.stockOf(sku)).toMatchObject({ reserved: 2 });
    return { value: 1 + 2 * 0.99, heal: () => taken(2) };
  },

  // Test files share the server, so how many there are is not up to this one.
  database_connections: () =>
    Promise.resolve({
      value: null,
      heal: () => Promise.resolve(),
      thresholds: { crossed: 0, healed: 1 },
    }),

  abnormal_orders: async () => {
    const { id } = await placed();
    await placed();
    const [row] = await sql<{ count: number }[]>`
      select count(*) from orders where created_at > now() - interval '1 hour'
    `;
    const workflowId = `order-${id}`;
    const raisedAt = new Date().toISOString();
    await raiseAttention(database, {
      workflowId,
      orderId: id,
      step: 'pay',
      reason: 'payment_failing',
      raisedAt,
    });
    return {
      value: 1 / (row?.count ?? 0),
      subjects: [id],
      heal: () => clearAttention(database, { workflowId, orderId: id, at: new Date().toISOString() }),
    };
  },

  order_success: async () => {
    const asked = (response: number | null, ago: string, count: number) =>
      plant(
        sql,
        (to) => to`
          insert into idempotency_key (
            operation, key, fingerprint, command_id, claimed_until, response_status, response_body, recorded_at
          )
          select 'createOrder', gen_random_uuid(), '', gen_random_uuid(), now(), ${response}, '{}', now() - ${ago}::text::interval
          from generate_series(1, ${count})
        `,
      );
    await asked(201, '2 minutes', 197);
    await asked(409, '2 minutes', 1);
    await asked(null, '2 minutes', 2);
    // Neither what may yet be answered counts, nor what is over.
    await asked(null, '30 seconds', 5);
    await asked(null, '61 minutes', 5);
    // One in two hundred is on the threshold.
    return { value: 0.99, heal: () => asked(201, '2 minutes', 200) };
  },

  runs_overdue: async () => {
    const ended = (run: RunName, ago: string) => sql`
      insert into run_end (run, watched_since, ended_at) values (${run}, now(), now() - ${ago}::text::interval)
      on conflict (run) do update set ended_at = excluded.ended_at
    `;
    await ended('reconcile', '15 minutes 1 second');
    await ended('stats', '2 minutes 50 seconds');
    await ended('monitor', '2 minutes 50 seconds');
    return { value: 1, subjects: ['reconcile'], heal: () => reconcile() };
  },
};

describe('an alert opens when a threshold is crossed, and closes by itself when it has healed:', () => {
  test.each(MEASURES)('%s', async (name) => {
    const { value, subjects = [], heal, thresholds } = await CROSSED[name]();
    const run = async (threshold: number | undefined) => {
      if (threshold === undefined) return monitor();
      const changed = { thresholds: { ...settings.thresholds, [name]: threshold } };
      return activities(changed).measure({ at: new Date().toISOString() });
    };
    expect(await run(thresholds?.crossed)).toMatchObject({
      measured: MEASURES.length,
      crossed: expect.arrayContaining([name]),
    });
    const about = value === null ? expect.any(Number) : expect.closeTo(value, 4);
    expect(await latest(name)).toMatchObject({ value: about, subjects });
    const [open] = await alertsOf(name);
    expect(open).toMatchObject({ state: 'open', value: about, worst: about, subjects });

    await heal();
    await run(thresholds?.healed);
    const [closed] = await alertsOf(name);
    expect(closed).toMatchObject({
      id: open?.id,
      state: 'closed',
      worst: about,
      notices: [{ event: 'opened' }, { event: 'closed' }],
    });
    if (value !== null) expect(closed?.value).not.toBeCloseTo(value, 4);
  });
});

describe('what is counted', () => {
  const measured = async (name: Measure, changed: Partial<MonitorSettings> = {}) => {
    await activities(changed).measure({ at: new Date().toISOString() });
    return latest(name);
  };

  test('is no order that falls due just now: it is about to expire', async () => {
    const [id = ''] = await plantOrders(sql, 1);
    await plant(
      sql,
      (to) => to`update orders set payment_deadline = now() - interval '5 seconds' where id = ${id}`,
    );
    expect(await measured('orders_past_deadline')).toMatchObject({ value: 0 });
  });

  test.each([
    ['EUR', 1_000_000],
    ['JPY', 10_000],
    ['KWD', 10_000_000],
  ])('is a buyer who pays more than 10,000 %s, in minor units %i', async (currency, limit) => {
    await plantPayments(sql, 1, { buyerId: `much ${currency}`, currency, total: limit });
    expect(await measured('busy_buyers')).toMatchObject({ value: 0 });
    await plantPayments(sql, 1, { buyerId: `much ${currency}`, currency, total: 1 });
    expect(await measured('busy_buyers')).toMatchObject({ value: 1, subjects: [`much ${currency}`] });
  });

  test('is a SKU of which more is reserved than there is, before reconciliation has looked', async () => {
    const sku = await shop.sku(1);
    await sql`alter table sku drop constraint sku_reserved_within_on_hand`;
    await sql`update sku set reserved = 2 where sku = ${sku}`;
    const anomalies = await measured('stock_anomalies');
    await sql`update sku set reserved = 0 where sku = ${sku}`;
    await sql`
      alter table sku add constraint sku_reserved_within_on_hand check (0 <= reserved and reserved <= on_hand)
    `;
    expect(anomalies).toMatchObject({ value: 1, subjects: [sku] });
  });

  test('is how long an order waits already that is not decided', async () => {
    const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(0)]);
    const letGo = await lockSku(sql, sku);
    const placing = shop.order(wallet, [{ sku, quantity: 1 }]);
    const id = await unansweredOrder(system);
    await plant(
      sql,
      (to) => to`
        update idempotency_key set recorded_at = recorded_at - interval '30 seconds' where command_id = ${id}
      `,
    );
    const { value = 0 } = (await measured('order_latency_p99')) ?? {};
    await letGo();
    await placing;
    expect(value).toBeGreaterThan(29);
  });

  test('is every session of PostgreSQL, as a share of those that it allows', async () => {
    // The pool keeps the sessions that it once needed.
    await Promise.all(Array.from({ length: 3 }, () => sql`select pg_sleep(0.1)`));
    const [own] = await sql<{ share: number }[]>`
      select count(*)::double precision / current_setting('max_connections')::integer as share
      from pg_stat_activity where datname = current_database()
    `;
    const { value = 0 } = (await measured('database_connections')) ?? {};
    expect(value).toBeGreaterThanOrEqual(own?.share ?? 1);
    expect(value).toBeLessThan(1);
  });

  test('is what the settings say', async () => {
    await plantOrders(sql, 3, { age: 2 * MINUTE, buyerId: 'waiting' });
    await plantPayments(sql, 2, { buyerId: 'twice', total: 150 });
    expect(await measured('orders_pending_long', { pendingLongAfter: MINUTE })).toMatchObject({ value: 3 });
    expect(await measured('busy_buyers', { busyBuyerPayments: 1 })).toMatchObject({ subjects: ['twice'] });
    expect(await measured('busy_buyers', { busyBuyerAmount: 2 })).toMatchObject({ subjects: ['twice'] });
    expect(await measured('busy_buyers', { busyBuyerAmount: 3 })).toMatchObject({ subjects: [] });
  });

  test('is kept when something else cannot be measured, and the run says what', async () => {
    await sql`alter table attention rename to elsewhere`;
    await plantOrders(sql, 12, { age: 31 * MINUTE });
    const at = new Date().toISOString();
    const outcome = activities().measure({ at });
    await outcome.catch(() => {});
    await sql`alter table elsewhere rename to attention`;
    await expect(outcome).rejects.toThrow(/abnormal_orders \(.*attention/);
    expect(await latest('orders_pending_long')).toMatchObject({ value: 12 });
    expect((await alertsOf('orders_pending_long')).at(0)).toMatchObject({ state: 'open' });
  });
});

describe('an alert', () => {
  const NAME = 'orders_pending_long';
  const pending = (count: number) => plantOrders(sql, count, { age: 40 * MINUTE });
  const expire = () =>
    plant(sql, (to) => to`update orders set stage = 'expired' where stage = 'awaiting_payment'`);
  const since = async <Row>(list: () => PromiseLike<readonly Row[]>) => {
    const before = (await list()).length;
    return async () => (await list()).slice(0, (await list()).length - before);
  };

  test('opens once, however many runs see it, keeps the worst value, and is another one the next time', async () => {
    const alerts = await since(() => alertsOf(NAME));
    await pending(15);
    await monitor();
    const [opened] = await alerts();
    await pending(5);
    await monitor();
    await plant(
      sql,
      (to) => to`
        update orders set stage = 'expired'
        where id in (select id from orders where stage = 'awaiting_payment' limit 8)
      `,
    );
    await monitor();
    expect(await alerts()).toMatchObject([
      { id: opened?.id, state: 'open', openedAt: opened?.['openedAt'], value: 12, worst: 20, threshold: 10 },
    ]);
    await expire();
    await monitor();
    await monitor();
    expect(await alerts()).toMatchObject([{ id: opened?.id, state: 'closed', value: 0, worst: 20 }]);
    await pending(11);
    await monitor();
    expect(await alerts()).toMatchObject([{ state: 'open', worst: 11 }, { id: opened?.id }]);
  });

  test('opens and closes once when several runs see it at the same time', async () => {
    const alerts = await since(() => alertsOf(NAME));
    const before = (await noticesOf(NAME)).length;
    await pending(11);
    await Promise.all(Array.from({ length: 6 }, monitor));
    expect(await alerts()).toMatchObject([{ state: 'open' }]);
    await expire();
    await Promise.all(Array.from({ length: 6 }, monitor));
    expect(await alerts()).toMatchObject([{ state: 'closed' }]);
    expect((await noticesOf(NAME)).slice(before)).toEqual([{ event: 'opened' }, { event: 'closed' }]);
  });

  test('is left alone by an attempt that is made again after it was recorded', async () => {
    const alerts = await since(() => alertsOf(NAME));
    const at = new Date().toISOString();
    await pending(11);
    await activities().measure({ at });
    await expire();
    await activities().measure({ at });
    expect(await alerts()).toMatchObject([{ state: 'open', value: 11 }]);
    expect(await latest(NAME)).toMatchObject({ value: 11 });
  });

  test('is not opened or closed by a run that comes late', async () => {
    const alerts = await since(() => alertsOf(NAME));
    const now = Date.now();
    const measureAt = (age: number) => activities().measure({ at: new Date(now - age).toISOString() });
    await measureAt(0);
    await pending(11);
    // Of an earlier minute, and of earlier in the same one.
    await measureAt(MINUTE);
    await measureAt(1);
    expect(await alerts()).toEqual([]);
    await measureAt(-10);
    await expire();
    await measureAt(-5);
    expect(await alerts()).toMatchObject([{ state: 'open' }]);
  });

  test('is only readable when nobody receives alerts', async () => {
    await pending(11);
    await monitor();
    expect((await alertsOf(NAME))[0]?.['notices']).toEqual([{ event: 'opened', at: expect.any(String) }]);
    expect(await activities().listUndelivered()).toEqual([]);
    expect(await activities().deliverNotice({ name: NAME })).toBe(false);
  });
});

describe('an alert whose runs overlap', async () => {
  const { database: other, sql: rows } = await freshDatabase();

  test('is in the end as the latest of them saw it', async () => {
    const RUNS = 20;
    const start = Date.now();
    for (let round = 0; round < 10; round += 1) {
      const open = round % 2;
      const runs = Array.from({ length: RUNS }, (_, run) => {
        const crossed = run === RUNS - 1 ? open === 1 : open === 0;
        const at = new Date(start + (round * RUNS + run) * MINUTE).toISOString();
        return keepMeasurements(other, at, [
          { name: 'busy_buyers', value: Number(crossed), subjects: [], threshold: 0, crossed },
        ]);
      });
      await Promise.all(runs);
      expect(await rows`select from alert where closed_at is null`).toHaveLength(open);
    }
  });
});

describe('a run that does not end any more', () => {
  const INTERVAL = { reconcile: 5 * MINUTE, stats: MINUTE, monitor: MINUTE };
  const NAME = 'runs_overdue';

  test('opens no alert in a new installation before three of its intervals are over', async () => {
    const { database: fresh, sql: rows } = await freshDatabase();
    const { measure } = createMonitorActivities(fresh, { ...settings, runEvery: INTERVAL });
    const start = Date.now();
    const overdueAt = async (age: number) => {
      const at = new Date(start + age).toISOString();
      await measure({ at });
      const [row] = await rows<{ subjects: string[] }[]>`
        select subjects from measurement where name = ${NAME} and at = ${at}
      `;
      return row?.subjects;
    };
    expect(await overdueAt(0)).toEqual([]);
    expect(await overdueAt(3 * MINUTE)).toEqual([]);
    expect(await overdueAt(3 * MINUTE + 1)).toEqual(['monitor', 'stats']);
    expect(await overdueAt(15 * MINUTE + 1)).toEqual(['monitor', 'reconcile', 'stats']);
  });

  test.each([
    ['stats', 'the monitor', 'monitor'],
    ['reconcile', 'the monitor', 'monitor'],
    ['monitor', 'reconciliation', 'reconcile'],
  ] as const)('is noticed by a run of %s, when it is %s', async (watcher, _what, overdue) => {
    const { database: fresh, sql: rows } = await freshDatabase();
    const watching = createMonitorActivities(fresh, { ...settings, runEvery: INTERVAL });
    const now = Date.now();
    const end = (run: RunName, age: number) =>
      watching.recordRunEnd({ run, at: new Date(now - age).toISOString() });
    for (const run of RUN_NAMES) await end(run, run === overdue ? 16 * MINUTE : 30_000);
    await end(watcher, 0);
    const alerts = () => rows`select subjects, closed_at is null as open from alert where name = ${NAME}`;
    expect([...(await alerts())]).toEqual([{ subjects: [overdue], open: true }]);
    // An end that is recorded late changes nothing.
    await end(overdue, 17 * MINUTE);
    await end(overdue, -1);
    expect([...(await alerts())]).toEqual([{ subjects: [], open: false }]);
  });

  test('is one that failed: every run records its end when it ends well, and only then', async () => {
    const endOf = async (run: RunName) => {
      const [row] = await sql<
        { endedAt: Date | null }[]
      >`select ended_at as "endedAt" from run_end where run = ${run}`;
      return row?.endedAt ?? null;
    };
    const start = (workflowType: RunName, args: unknown[] = []) =>
      client.workflow.execute(workflowType, {
        workflowId: `${workflowType}-${randomUUID()}`,
        taskQueue,
        args,
      });
    const before = new Date();
    await start('reconcile', [{ repairCounters: false }]);
    await start('stats');
    await start('monitor');
    const ends = await Promise.all(RUN_NAMES.map(endOf));
    expect(ends.every((end) => end !== null && end >= before)).toBe(true);
    await sql`alter table attention rename to elsewhere`;
    const failing = start('monitor').then(
      () => 'ended well',
      () => 'failed',
    );
    expect(await failing).toBe('failed');
    await sql`alter table elsewhere rename to attention`;
    expect(await endOf('monitor')).toEqual(ends[RUN_NAMES.indexOf('monitor')]);
  }, 90_000);
});

describe('through the API', () => {
  test('measurements are listed by minute and name, in pages', async () => {
    const start = Date.parse('2026-01-01T00:00:00Z');
    for (const minute of [0, 1, 2])
      await activities().measure({ at: new Date(start + minute * MINUTE + 1_234).toISOString() });
    const range = 'from=2026-01-01T00:00:00Z&to=2026-01-01T00:02:00Z';
    const inOne = await listed(`/v1/measurements?${range}`, measurementSchema);
    expect(inOne.map(({ minute }) => minute)).toEqual([
      ...Array.from({ length: MEASURES.length }, () => '2026-01-01T00:01:00.000Z'),
      ...Array.from({ length: MEASURES.length }, () => '2026-01-01T00:00:00.000Z'),
    ]);
    expect(new Set(inOne.map(({ name }) => name))).toEqual(new Set(MEASURES));
    expect(await listed(`/v1/measurements?${range}`, measurementSchema, 4)).toEqual(inOne);
    const ofOne = await listed(`/v1/measurements?${range}&name=order_success`, measurementSchema, 1);
    expect(ofOne.map(({ name }) => name)).toEqual(['order_success', 'order_success']);
  });

  test('alerts are listed newest first, by state', async () => {
    const now = Date.now();
    for (const [age, count] of [
      [3, 11],
      [2, 0],
      [1, 11],
    ] as const) {
      await plant(sql, (to) => to`update orders set stage = 'expired' where stage = 'awaiting_payment'`);
      await plantOrders(sql, count, { age: 31 * MINUTE });
      await activities().measure({ at: new Date(now - age).toISOString() });
    }
    const all = await listed('/v1/alerts?name=orders_pending_long', alertSchema);
    expect(all.slice(0, 2)).toMatchObject([{ state: 'open' }, { state: 'closed' }]);
    const states = (state: string) => listed(`/v1/alerts?state=${state}`, alertSchema, 1);
    expect(await states('open')).toEqual(expect.arrayContaining([all[0]]));
    expect((await states('open')).every(({ state }) => state === 'open')).toBe(true);
    expect((await states('closed')).map(({ id }) => id)).toContain(all[1]?.id);
    expect((await states('closed')).every(({ state }) => state === 'closed')).toBe(true);
  });

  test.each([
    '/v1/measurements?name=orders',
    '/v1/measurements?from=yesterday',
    `/v1/measurements?cursor=${Buffer.from('measurements 1767225600000/orders').toString('base64url')}`,
    `/v1/measurements?cursor=${Buffer.from(`alerts ${uuidv7()}`).toString('base64url')}`,
    '/v1/alerts?state=gone',
    '/v1/alerts?cursor=x',
  ])('%s is refused', async (path) => {
    expect(await shop.get(path)).toMatchObject({ body: { code: 'validation_failed' } });
  });
});

test('the schedule is there once, follows the settings, and stays paused when somebody paused it', async () => {
  const wanted = monitorSchedule({ taskQueue, every: MINUTE });
  const schedule = client.schedule.getHandle(wanted.scheduleId);
  try {
    await Promise.all([ensureSchedule(client, wanted), ensureSchedule(client, wanted)]);
    const created = await schedule.describe();
    await ensureSchedule(client, wanted);
    // Each update would begin the interval anew.
    expect((await schedule.describe()).info.lastUpdatedAt).toEqual(created.info.lastUpdatedAt);
    await schedule.pause('looking into it');
    await until('the pause', async () => ((await schedule.describe()).state.paused ? true : undefined));
    await ensureSchedule(client, monitorSchedule({ taskQueue, every: 30_000 }));
    expect(await schedule.describe()).toMatchObject({
      spec: { intervals: [{ every: 30_000 }] },
      state: { paused: true, note: 'looking into it' },
      action: { workflowType: 'monitor' },
      policies: { overlap: 'SKIP' },
    });
    await schedule.unpause();
    await schedule.trigger();
    const run = await until('a run', async () => (await schedule.describe()).info.recentActions[0]);
    const handle = client.workflow.getHandle(run.action.workflow.workflowId);
    expect(await handle.result()).toMatchObject({ measured: MEASURES.length });
  } finally {
    await schedule.delete();
  }
});
