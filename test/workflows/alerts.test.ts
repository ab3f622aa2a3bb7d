/** The receiver of alerts gets a notice of each opening and closing, in order, however long it was down. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, expect, test } from 'vitest';
import { createMonitorActivities } from '../../activities/monitor.ts';
import { workerSettings } from '../../settings.ts';
import { monitorSettings } from '../../worker/monitor-settings.ts';
import type { Measure } from '../../domain/measures.ts';
import { deliverWorkflowId } from '../../domain/workflow-ids.ts';
import type { MonitorEnd } from '../../domain/measures.ts';
import { WORKFLOW } from '../../workflows/messages.ts';
import { plant, plantOrders } from '../support/planted.ts';
import { startReceiver } from '../support/receiver.ts';
import { startSystem } from '../support/system.ts';
import { until } from '../support/until.ts';

const receiver = await startReceiver();
afterAll(() => receiver.down());
const { client, shop, sql, database, taskQueue, url } = await startSystem({
  monitor: { receivers: { webhook: receiver.url } },
});

const monitor = (): Promise<MonitorEnd> =>
  client.workflow.execute<() => Promise<MonitorEnd>>(WORKFLOW.monitor, {
    workflowId: `monitor-${randomUUID()}`,
    taskQueue,
  });
const deliveryOf = (name: Measure) =>
  client.workflow.getHandle(deliverWorkflowId(taskQueue, { name, receiver: 'webhook' }));

const cross = () => plantOrders(sql, 11, { age: 31 * 60_000 });
const heal = () =>
  plant(sql, (to) => to`update orders set stage = 'expired' where stage = 'awaiting_payment'`);

/** Notices that are still to be delivered. */
const undelivered = () => sql`select alert_id, event from alert_delivery where delivered_at is null`;
const untilDelivered = () =>
  until('every notice to be delivered', async () => ((await undelivered()).length === 0 ? true : undefined));
const taken = () => receiver.received.filter(({ answered }) => answered === 204);

afterEach(async () => {
  await receiver.up();
  receiver.answer(() => 204);
  await heal();
  await monitor();
  await untilDelivered();
  receiver.received.length = 0;
});

test('a receiver that is down and then refuses delays nothing else, and gets each notice in order', async () => {
  await receiver.down();
  await cross();
  await monitor();
  const failure = await until('an attempt to fail', async () => {
    const { raw } = await deliveryOf('orders_pending_long').describe();
    return raw.pendingActivities?.[0]?.lastFailure?.message ?? undefined;
  });
  expect(failure).toMatch(
    /^The receiver of alerts at http:\/\/127\.0\.0\.1:\d+ did not answer; .*ECONNREFUSED/,
  );
  expect(failure).not.toContain('secret');

  // The monitor goes on: the alert stays the same, closes, and another one opens.
  await monitor();
  await heal();
  await monitor();
  await cross();
  await monitor();
  expect(await undelivered()).toHaveLength(3);

  receiver.answer(() => (receiver.received.length < 1 ? 500 : 204));
  await receiver.up();
  await untilDelivered();
  expect(receiver.received.map(({ answered }) => answered)).toEqual([500, 204, 204, 204]);
  const [opened, closed, next] = taken();
  expect(opened).toEqual({
    notice: `${opened?.body.alert}-opened`,
    answered: 204,
    body: {
      alert: expect.any(String),
      event: 'opened',
      name: 'orders_pending_long',
      value: 11,
      threshold: 10,
      alertWhen: 'above',
      subjects: expect.any(Array),
      at: expect.any(String),
      openedAt: expect.any(String),
    },
  });
  expect(closed).toMatchObject({
    notice: `${opened?.body.alert}-closed`,
    body: { alert: opened?.body.alert, event: 'closed', value: 0, openedAt: opened?.body['openedAt'] },
  });
  expect(next?.body).toMatchObject({ event: 'opened' });
  expect(next?.body.alert).not.toBe(opened?.body.alert);
});

test('a notice that was not answered with a 2xx is sent again with the same id and the same body', async () => {
  const answers = [302, 'lost', 204] as const;
  receiver.answer(() => answers[receiver.received.length] ?? 204);
  await cross();
  await monitor();
  await untilDelivered();
  expect(receiver.received.map(({ answered }) => answered)).toEqual([...answers]);
  expect(new Set(receiver.received.map(({ notice, body }) => JSON.stringify({ notice, body }))).size).toBe(1);
});

test('a notice that keeps being refused delays no alert of another measure', async () => {
  receiver.answer(({ name }) => (name === 'orders_pending_long' ? 500 : 204));
  const late = await cross();
  await plant(
    sql,
    (to) => to`update orders set payment_deadline = now() - interval '1 hour' where id = ${late[0] ?? ''}`,
  );
  await monitor();
  await until('the other alert', async () => (taken().length > 0 ? true : undefined));
  expect(taken().map(({ body }) => body.name)).toEqual(['orders_past_deadline']);
  const left = await until('the mark on what was taken', async () => {
    const rows = await undelivered();
    return rows.length === 1 ? rows : undefined;
  });
  expect(left).toMatchObject([{ event: 'opened' }]);
});

test('an alert whose run died before it sent a notice is sent by the next run', async () => {
  const settings = monitorSettings(workerSettings({ DATABASE_URL: url, TEMPORAL_ADDRESS: 'localhost:1' }));
  await cross();
  await createMonitorActivities(database, settings).measure({ at: new Date().toISOString() });
  expect(await undelivered()).toHaveLength(1);
  await monitor();
  await untilDelivered();
  expect(taken().map(({ body }) => body.event)).toEqual(['opened']);
});

test('a receiver that is configured later gets the notices of open and later alerts, and none of alerts that were over', async () => {
  const settings = monitorSettings(workerSettings({ DATABASE_URL: url, TEMPORAL_ADDRESS: 'localhost:1' }));
  // As workers without a receiver run it, each time as a process of its own.
  const runWithout = async () => {
    const { measure, listUndelivered } = createMonitorActivities(database, settings);
    await measure({ at: new Date().toISOString() });
    expect(await listUndelivered()).toEqual([]);
  };
  // The delivery of the test before would send what is opened next.
  await until('the end of the last delivery', async () => {
    const last = await deliveryOf('orders_pending_long')
      .describe()
      .catch(() => null);
    return last?.status.name === 'RUNNING' ? undefined : true;
  });
  await cross();
  await runWithout();
  await heal();
  await runWithout();
  await cross();
  await runWithout();
  const [open] = await sql<{ id: string }[]>`
    select id from alert where name = 'orders_pending_long' and closed_at is null
  `;
  await monitor();
  await untilDelivered();
  expect(taken().map(({ body: { alert, event } }) => ({ alert, event }))).toEqual([
    { alert: open?.id, event: 'opened' },
  ]);
  await heal();
  await monitor();
  await untilDelivered();
  expect(taken().map(({ body: { alert, event } }) => ({ alert, event }))).toEqual([
    { alert: open?.id, event: 'opened' },
    { alert: open?.id, event: 'closed' },
  ]);
  const listed = await shop.get('/v1/alerts?name=orders_pending_long&state=closed');
  expect(listed.status).toBe(200);
});

test('a receiver that does not answer while alerts open and close still gets their notices later', async () => {
  await receiver.down();
  await cross();
  await monitor();
  await heal();
  await monitor();
  // A deployment, with the receiver as before.
  await createMonitorActivities(database, {
    ...monitorSettings(workerSettings({ DATABASE_URL: url, TEMPORAL_ADDRESS: 'localhost:1' })),
    receivers: { webhook: receiver.url },
  }).listUndelivered();
  await receiver.up();
  await untilDelivered();
  expect(taken().map(({ body }) => body.event)).toEqual(['opened', 'closed']);
});

test('a run of the figures sends the notice that the monitor no longer runs', async () => {
  await monitor();
  await untilDelivered();
  receiver.received.length = 0;
  await sql`update run_end set ended_at = now() - interval '1 hour' where run = 'monitor'`;
  await client.workflow.execute(WORKFLOW.stats, { workflowId: `stats-${randomUUID()}`, taskQueue });
  await untilDelivered();
  expect(taken().map(({ body: { name, event, subjects } }) => ({ name, event, subjects }))).toEqual([
    { name: 'runs_overdue', event: 'opened', subjects: ['monitor'] },
  ]);
  await monitor();
  await untilDelivered();
  expect(taken().map(({ body: { event } }) => event)).toEqual(['opened', 'closed']);
});
