/** What each measure counts, and what it leaves out. */
import { expect, test } from 'vitest';
import type { MonitorSettings } from '../../../activities/monitor.ts';
import type { Measure } from '../../../domain/measures.ts';
import { MINUTE, monitoring } from '../../support/monitoring.ts';
import { lockSku } from '../../support/obstacles.ts';
import { plant, plantOrders, plantPart, plantPayments } from '../../support/planted.ts';
import { startSystem } from '../../support/system.ts';
import { unansweredOrder } from '../../support/unanswered.ts';

const system = await startSystem();
const { shop, sql } = system;
const { activities, listAlerts, readLatest } = monitoring(system);

const measured = async (name: Measure, changed: Partial<MonitorSettings> = {}) => {
  await activities(changed).measure({ at: new Date().toISOString() });
  return readLatest(name);
};

test('an order that falls due just now is not counted as late: it is about to expire', async () => {
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
])(
  'a buyer who pays more than 10,000 %s in an hour, which are %i minor units, is busy',
  async (currency, limit) => {
    await plantPayments(sql, 1, { buyerId: `much ${currency}`, currency, total: limit });
    expect(await measured('busy_buyers')).toMatchObject({ value: 0 });
    await plantPayments(sql, 1, { buyerId: `much ${currency}`, currency, total: 1 });
    expect(await measured('busy_buyers')).toMatchObject({ value: 1, subjects: [`main/much ${currency}`] });
  },
);

test('payments in parts count as payments of their buyer once their money is taken, and as refused when they are declined', async () => {
  const [order = ''] = await plantOrders(sql, 1, { buyerId: 'in parts', total: 3 });
  await plantPart(sql, order, { state: 'captured' });
  await plantPart(sql, order, { state: 'declined', secures: false });
  await plantPart(sql, order, { state: 'captured', secures: false });
  await plantPart(sql, order, { state: 'captured', age: 61 * MINUTE });
  expect(await measured('busy_buyers', { busyBuyerPayments: 1 })).toMatchObject({ value: 0 });
  expect(await measured('payment_failure_rate')).toMatchObject({ value: 1 / 3 });
  await plantPart(sql, order, { state: 'captured' });
  expect(await measured('busy_buyers', { busyBuyerPayments: 1 })).toMatchObject({
    subjects: ['main/in parts'],
  });
  expect(await measured('payment_failure_rate')).toMatchObject({ value: 1 / 4 });
});

test('a SKU with more units reserved than on hand is an anomaly before reconciliation has found it', async () => {
  const sku = await shop.sku(1);
  await sql`alter table sku drop constraint sku_reserved_within_on_hand`;
  await sql`update sku set reserved = 2 where sku = ${sku}`;
  const anomalies = await measured('stock_anomalies');
  await sql`update sku set reserved = 0 where sku = ${sku}`;
  await sql`
      alter table sku add constraint sku_reserved_within_on_hand check (0 <= reserved and reserved <= on_hand)
    `;
  expect(anomalies).toMatchObject({ value: 1, subjects: [`main/${sku}`] });
});

test('the latency of orders includes how long an undecided order has waited so far', async () => {
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

test('the measure of database connections counts every session of PostgreSQL as a share of those it allows', async () => {
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

test('the settings decide when an order counts as pending for long and a buyer as busy', async () => {
  await plantOrders(sql, 3, { age: 2 * MINUTE, buyerId: 'waiting' });
  await plantPayments(sql, 2, { buyerId: 'twice', total: 150 });
  expect(await measured('orders_pending_long', { pendingLongAfter: MINUTE })).toMatchObject({ value: 3 });
  expect(await measured('busy_buyers', { busyBuyerPayments: 1 })).toMatchObject({ subjects: ['main/twice'] });
  expect(await measured('busy_buyers', { busyBuyerAmount: 2 })).toMatchObject({ subjects: ['main/twice'] });
  expect(await measured('busy_buyers', { busyBuyerAmount: 3 })).toMatchObject({ subjects: [] });
});

test('a measurement is kept when another one fails, and the run names the one that failed', async () => {
  await sql`alter table attention rename to elsewhere`;
  await plantOrders(sql, 12, { age: 31 * MINUTE });
  const at = new Date().toISOString();
  const outcome = activities().measure({ at });
  await outcome.catch(() => {});
  await sql`alter table elsewhere rename to attention`;
  await expect(outcome).rejects.toThrow(/abnormal_orders \(.*attention/);
  expect(await readLatest('orders_pending_long')).toMatchObject({ value: 12 });
  expect((await listAlerts('orders_pending_long')).at(0)).toMatchObject({ state: 'open' });
});
