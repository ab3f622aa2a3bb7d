/** The metrics of the installation say what PostgreSQL has, no more often than they need to, and nothing while it does not answer. */
import { randomUUID } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { expect, test } from 'vitest';
import { raiseAttention } from '../../../db/attention.ts';
import { openDatabase } from '../../../db/connection.ts';
import { keepFindings } from '../../../db/findings.ts';
import { collectInstallation } from '../../../db/gauges/collect.ts';
import { keepMeasurements } from '../../../db/monitor/measurements.ts';
import { keepRunEnd } from '../../../db/monitor/runs.ts';
import type { Queryable } from '../../../db/postgres.ts';
import { INSTALLATION_METRICS } from '../../../domain/metrics.ts';
import { mostSeries, openMetrics } from '../../../process/metrics.ts';
import { freshDatabase } from '../../support/database.ts';
import { plant, plantOrders, plantPart } from '../../support/planted.ts';
import { fundedWallet, stockedSku } from '../../support/stock.ts';

const { database, sql, url } = await freshDatabase();
const AT = '2026-01-01T10:00:00.000Z';

function watch(of = database, keptForMs = 0): { answer: () => Promise<string>; reports: unknown[] } {
  const metrics = openMetrics(INSTALLATION_METRICS);
  const reports: unknown[] = [];
  collectInstallation(metrics, of, { keptForMs, report: (error) => void reports.push(error) });
  return { answer: () => metrics.answer(), reports };
}

/** The value of a series; undefined when it is not shown. */
function valueOf(text: string, series: string): number | undefined {
  const line = text.split('\n').find((one) => one.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length));
}

test('a shop in which nothing has happened has zero of everything that is counted, and nothing of what was never measured', async () => {
  const text = await watch().answer();
  for (const series of [
    'holdfast_orders_awaiting_payment',
    'holdfast_orders_past_deadline',
    'holdfast_order_longest_past_deadline_seconds',
    'holdfast_events_unpublished',
    'holdfast_event_oldest_unpublished_seconds',
    'holdfast_webhook_deliveries_pending',
    'holdfast_webhooks{state="disabled"}',
    'holdfast_payments_unsettled{state="unused"}',
    'holdfast_attention_marks{reason="refund_failing"}',
    'holdfast_findings_open{kind="order_lost"}',
    'holdfast_alerts_open{measure="busy_buyers"}',
    'holdfast_postgres_locks_waiting',
  ])
    expect([series, valueOf(text, series)]).toEqual([series, 0]);
  expect(valueOf(text, 'holdfast_database_up')).toBe(1);
  expect(text).not.toMatch(/^holdfast_(measure|run_end)\w*[{ ]/m);
});

test('what waits, needs a person or was measured is said as the tables have it', async () => {
  const [late = '', open = ''] = await plantOrders(sql, 3);
  await plantPart(sql, open);
  await plantPart(sql, open, { state: 'captured', secures: false });
  await plantPart(sql, open, { state: 'captured' });
  const webhookId = uuidv7();
  await plant(sql, async (to) => {
    await to`update orders set payment_deadline = now() - interval '30 seconds' where id = ${late}`;
    await to`insert into outbox (order_id, version, recorded_at) values (${open}, 1, now() - interval '40 seconds')`;
    await to`
      insert into webhook (id, shop_id, url, created_at, created_by, updated_at)
      values (${webhookId}, 'main', 'https://example.com', now(), 'test', now())
    `;
    await to`
      insert into webhook_delivery (id, webhook_id, shop_id, event_id, type, kind, order_id, version, due_at, created_at)
      values (${uuidv7()}, ${webhookId}, 'main', 'e', 'order.paid', 'event', ${open}, 1, now(), now() - interval '50 seconds')
    `;
  });
  await raiseAttention(database, {
    workflowId: `order-${open}`,
    orderId: open,
    reason: 'payment_failing',
    step: 'pay',
    raisedAt: AT,
  });
  await keepFindings(database, 'order_overdue', [{ subject: late, orderId: late, finding: 'It waits.' }], AT);
  await keepMeasurements(database, AT, [
    { name: 'busy_buyers', value: 2, subjects: ['main/b'], threshold: 0, crossed: true },
    { name: 'order_success', value: 0.999, subjects: [], threshold: 0.995, crossed: false },
  ]);
  await keepRunEnd(database, 'seal', AT);

  const text = await watch().answer();
  expect({
    open: valueOf(text, 'holdfast_orders_awaiting_payment'),
    late: valueOf(text, 'holdfast_orders_past_deadline'),
    lateBy: valueOf(text, 'holdfast_order_longest_past_deadline_seconds'),
    pending: valueOf(text, 'holdfast_payments_unsettled{state="pending"}'),
    unused: valueOf(text, 'holdfast_payments_unsettled{state="unused"}'),
    unpublished: valueOf(text, 'holdfast_events_unpublished'),
    unpublishedFor: valueOf(text, 'holdfast_event_oldest_unpublished_seconds'),
    webhooks: valueOf(text, 'holdfast_webhooks{state="active"}'),
    deliveries: valueOf(text, 'holdfast_webhook_deliveries_pending'),
    deliveryFor: valueOf(text, 'holdfast_webhook_delivery_oldest_pending_seconds'),
    marks: valueOf(text, 'holdfast_attention_marks{reason="payment_failing"}'),
    findings: valueOf(text, 'holdfast_findings_open{kind="order_overdue"}'),
    alert: valueOf(text, 'holdfast_alerts_open{measure="busy_buyers"}'),
    noAlert: valueOf(text, 'holdfast_alerts_open{measure="order_success"}'),
    measure: valueOf(text, 'holdfast_measure{measure="order_success"}'),
    measuredAt: valueOf(text, 'holdfast_measure_timestamp_seconds'),
    sealedAt: valueOf(text, 'holdfast_run_end_timestamp_seconds{run="seal"}'),
  }).toEqual({
    open: 3,
    late: 1,
    lateBy: expect.closeTo(30, -1),
    pending: 1,
    unused: 1,
    unpublished: 1,
    unpublishedFor: expect.closeTo(40, -1),
    webhooks: 1,
    deliveries: 1,
    deliveryFor: expect.closeTo(50, -1),
    marks: 1,
    findings: 1,
    alert: 1,
    noAlert: 0,
    measure: 0.999,
    measuredAt: Date.parse(AT) / 1_000,
    sealedAt: Date.parse(AT) / 1_000,
  });
});

test('every metric of the installation has a value, and PostgreSQL counts what is done with it', async () => {
  const watching = watch();
  const [before, name] = [await watching.answer(), 'holdfast_postgres_rows_total{what="inserted"}'];
  for (const metric of Object.keys(INSTALLATION_METRICS))
    expect(before).toMatch(new RegExp(`^${metric}(\\{[^}]*\\})? \\d`, 'm'));
  expect(valueOf(before, 'holdfast_postgres_table_bytes{table="orders"}')).toBeGreaterThan(8_000);
  // With its months.
  expect(valueOf(before, 'holdfast_postgres_table_bytes{table="order_event"}')).toBeGreaterThan(8_000);
  expect(before).not.toMatch(/table="order_event_/);
  await fundedWallet(sql, { funds: 1 });
  // A session reports what it did when it has nothing to do.
  await expect
    .poll(async () => Number(valueOf(await watching.answer(), name)), { timeout: 15_000 })
    .toBeGreaterThan(Number(valueOf(before, name)));
});

test('no order, buyer, SKU or shop makes a series', async () => {
  const watching = watch();
  await watching.answer();
  const seriesOf = async () =>
    new Set((await watching.answer()).split('\n').flatMap((line) => /^(holdfast\S*) /.exec(line)?.[1] ?? []));
  const before = await seriesOf();
  for (let count = 0; count < 30; count++) {
    const id = `odd-${randomUUID()}`;
    await sql`insert into shop (id, name) values (${id}, ${id})`;
    await stockedSku(sql, { shopId: id, onHand: 1 });
    await fundedWallet(sql, { shopId: id, ownerId: id, funds: 1 });
    await plantOrders(sql, 1, { buyerId: id });
  }
  expect(await seriesOf()).toEqual(before);
  expect(before.size).toBeLessThan(mostSeries(INSTALLATION_METRICS));
});

/** Runs `work` while another session has done this in a transaction that it does not end. */
async function during(
  statement: (to: Queryable) => PromiseLike<unknown>,
  work: () => Promise<void>,
): Promise<void> {
  const session = await sql.reserve();
  try {
    await session`begin`;
    await statement(session);
    await work();
  } finally {
    await session`rollback`;
    session.release();
  }
}

test('a session that waits for the lock of another is counted', async () => {
  let waiting: Promise<unknown> = Promise.resolve();
  await during(
    (to) => to`select pg_advisory_xact_lock(42)`,
    async () => {
      waiting = sql.begin((to) => to`select pg_advisory_xact_lock(42)`);
      await expect
        .poll(async () => valueOf(await watch().answer(), 'holdfast_postgres_locks_waiting'))
        .toBe(1);
    },
  );
  await waiting;
});

test('a table that somebody has locked is missing, with what is read with it, and nothing else is', async () => {
  await during(
    (to) => to`lock table attention`,
    async () => {
      const watching = watch();
      const text = await watching.answer();
      expect(text).not.toMatch(/^holdfast_(attention_marks|findings_open|postgres_table_bytes)[{ ]/m);
      expect(valueOf(text, 'holdfast_database_up')).toBe(1);
      expect(valueOf(text, 'holdfast_orders_awaiting_payment')).toBeGreaterThan(0);
      expect(watching.reports).toHaveLength(1);
    },
  );
});

test('however many ask at once and again, PostgreSQL is asked once in the time for which an answer is kept', async () => {
  const watching = watch(database, 60_000);
  const [first, ...others] = await Promise.all(Array.from({ length: 20 }, () => watching.answer()));
  expect(new Set(others)).toEqual(new Set([first]));
  await plantOrders(sql, 1);
  expect(await watching.answer()).toBe(first);
});

test('while PostgreSQL does not answer, the metrics say so and nothing else, report it once, and come back with it', async () => {
  const away = openDatabase(url.replace(/:\d+\//, ':1/'), { connections: 1, name: 'away' });
  const gone = { isGone: true };
  const flaky = {
    ...database,
    run: (query) => (gone.isGone ? away : database).run(query),
  } satisfies typeof database;
  const watching = watch(flaky);
  for (const text of [await watching.answer(), await watching.answer()])
    expect(text.split('\n').filter((line) => line.startsWith('holdfast'))).toEqual([
      'holdfast_database_up 0',
    ]);
  expect(watching.reports).toHaveLength(1);
  gone.isGone = false;
  expect(valueOf(await watching.answer(), 'holdfast_orders_awaiting_payment')).toBeGreaterThan(0);
  await away.close();
});
