/** Alerts open and close once, however many runs see them and in whatever order; the API lists them. */
import { v7 as uuidv7 } from 'uuid';
import { expect, test } from 'vitest';
import { keepMeasurements } from '../../../db/monitor/measurements.ts';
import { MEASURES } from '../../../domain/measures.ts';
import { freshDatabase } from '../../support/database.ts';
import { MINUTE, alertSchema, measurementSchema, monitoring } from '../../support/monitoring.ts';
import { plant, plantOrders } from '../../support/planted.ts';
import { startSystem } from '../../support/system.ts';

const system = await startSystem();
const { shop, sql } = system;
const { activities, listAll, runMonitor, listAlerts, readLatest, listNotices } = monitoring(system);

const NAME = 'orders_pending_long';
const pending = (count: number) => plantOrders(sql, count, { age: 40 * MINUTE });
const expire = () =>
  plant(sql, (to) => to`update orders set stage = 'expired' where stage = 'awaiting_payment'`);
const since = async <Row>(list: () => PromiseLike<readonly Row[]>) => {
  const before = (await list()).length;
  return async () => (await list()).slice(0, (await list()).length - before);
};

test('an alert opens once however many runs see it, keeps the worst value, and is a new alert the next time', async () => {
  const alerts = await since(() => listAlerts(NAME));
  await pending(15);
  await runMonitor();
  const [opened] = await alerts();
  await pending(5);
  await runMonitor();
  await plant(
    sql,
    (to) => to`
        update orders set stage = 'expired'
        where id in (select id from orders where stage = 'awaiting_payment' limit 8)
      `,
  );
  await runMonitor();
  expect(await alerts()).toMatchObject([
    { id: opened?.id, state: 'open', openedAt: opened?.['openedAt'], value: 12, worst: 20, threshold: 10 },
  ]);
  await expire();
  await runMonitor();
  await runMonitor();
  expect(await alerts()).toMatchObject([{ id: opened?.id, state: 'closed', value: 0, worst: 20 }]);
  await pending(11);
  await runMonitor();
  expect(await alerts()).toMatchObject([{ state: 'open', worst: 11 }, { id: opened?.id }]);
});

test('an alert opens and closes once when several runs see it at the same time', async () => {
  const alerts = await since(() => listAlerts(NAME));
  const before = (await listNotices(NAME)).length;
  await pending(11);
  await Promise.all(Array.from({ length: 6 }, runMonitor));
  expect(await alerts()).toMatchObject([{ state: 'open' }]);
  await expire();
  await Promise.all(Array.from({ length: 6 }, runMonitor));
  expect(await alerts()).toMatchObject([{ state: 'closed' }]);
  expect((await listNotices(NAME)).slice(before)).toEqual([{ event: 'opened' }, { event: 'closed' }]);
});

test('an alert is left alone by an attempt that repeats one already recorded', async () => {
  const alerts = await since(() => listAlerts(NAME));
  const at = new Date().toISOString();
  await pending(11);
  await activities().measure({ at });
  await expire();
  await activities().measure({ at });
  expect(await alerts()).toMatchObject([{ state: 'open', value: 11 }]);
  expect(await readLatest(NAME)).toMatchObject({ value: 11 });
});

test('an alert is neither opened nor closed by a run that comes late', async () => {
  const alerts = await since(() => listAlerts(NAME));
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

test('an alert is listed but not delivered when no receiver is configured', async () => {
  await pending(11);
  await runMonitor();
  expect((await listAlerts(NAME))[0]?.['notices']).toEqual([
    { event: 'opened', at: expect.any(String), deliveries: [] },
  ]);
  expect(await activities().listUndelivered()).toEqual([]);
  expect(await activities().deliverNotice({ name: NAME })).toBe(false);
});

test('an alert whose runs overlap ends in the state that the latest run saw', async () => {
  const { database: other, sql: rows } = await freshDatabase();
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

test('the API lists measurements by minute and name, in pages', async () => {
  const start = Date.parse('2026-01-01T00:00:00Z');
  for (const minute of [0, 1, 2])
    await activities().measure({ at: new Date(start + minute * MINUTE + 1_234).toISOString() });
  const range = 'from=2026-01-01T00:00:00Z&to=2026-01-01T00:02:00Z';
  const inOne = await listAll(`/v1/measurements?${range}`, measurementSchema);
  expect(inOne.map(({ minute }) => minute)).toEqual([
    ...Array.from({ length: MEASURES.length }, () => '2026-01-01T00:01:00.000Z'),
    ...Array.from({ length: MEASURES.length }, () => '2026-01-01T00:00:00.000Z'),
  ]);
  expect(new Set(inOne.map(({ name }) => name))).toEqual(new Set(MEASURES));
  expect(await listAll(`/v1/measurements?${range}`, measurementSchema, 4)).toEqual(inOne);
  const ofOne = await listAll(`/v1/measurements?${range}&name=order_success`, measurementSchema, 1);
  expect(ofOne.map(({ name }) => name)).toEqual(['order_success', 'order_success']);
});

test('the API lists alerts newest first, by state', async () => {
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
  const all = await listAll('/v1/alerts?name=orders_pending_long', alertSchema);
  expect(all.slice(0, 2)).toMatchObject([{ state: 'open' }, { state: 'closed' }]);
  const states = (state: string) => listAll(`/v1/alerts?state=${state}`, alertSchema, 1);
  expect(await states('open')).toEqual(expect.arrayContaining([all[0]]));
  expect((await states('open')).every(({ state }) => state === 'open')).toBe(true);
  expect((await states('closed')).map(({ id }) => id)).toContain(all[1]?.id);
  expect((await states('closed')).every(({ state }) => state === 'closed')).toBe(true);
});

test.each([
  '/v1/measurements?name=orders',
  '/v1/measurements?from=yesterday',
  '/v1/measurements?cursor=measurements.1767225600000.orders',
  `/v1/measurements?cursor=alerts.${uuidv7()}`,
  '/v1/alerts?state=gone',
  '/v1/alerts?cursor=x',
])('the API refuses %s', async (path) => {
  expect(await shop.get(path)).toMatchObject({ body: { code: 'validation_failed' } });
});
