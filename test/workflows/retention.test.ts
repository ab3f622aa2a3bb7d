/** The scheduled run that makes months, drops those that are old enough and removes idempotency keys, and for how long each is kept. */
import { randomUUID } from 'node:crypto';
import { Client } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import { v7 as uuidv7 } from 'uuid';
import { afterEach, expect, test } from 'vitest';
import { createRetentionActivities } from '../../activities/retention.ts';
import { closedWorkflowsKeptFor } from '../../client/namespace.ts';
import { MAIN_SHOP } from '../../domain/shops.ts';
import { workerSettings } from '../../settings.ts';
import { retentionSettings } from '../../worker/retention-settings.ts';
import { retentionSchedule, schedulesFor } from '../../worker/schedules.ts';
import { WORKFLOW, type RetentionEnd, type RetentionInput } from '../../workflows/messages.ts';
import { expectRulesHold } from '../support/database.ts';
import { dropEveryMonth, inMonths, nameOf } from '../support/months.ts';
import { plantIdempotencyKey } from '../support/planted.ts';
import { startSystem } from '../support/system.ts';
import { registerWebhook } from '../support/webhooks.ts';

const DAY_MS = 86_400_000;
const system = await startSystem();
const { client, sql, database, taskQueue } = system;

afterEach(async () => {
  await expectRulesHold(sql);
  await sql`delete from idempotency_key`;
});

const keyOf = (age: string) => plantIdempotencyKey(sql, { operation: 'createWallet', age });
const left = async () => {
  const rows = await sql<{ id: string }[]>`select command_id as id from idempotency_key order by id`;
  return rows.map(({ id }) => id);
};

const monthsOf = async (table: string) => {
  const rows = await sql<{ name: string }[]>`
    select partition::text as name from month_partition where table_name = ${table} and not is_default order by "to"
  `;
  return rows.map(({ name }) => name);
};

const run = (...args: [RetentionInput] | []) =>
  client.workflow.start<(input?: RetentionInput) => Promise<RetentionEnd>>(WORKFLOW.retention, {
    workflowId: `retention-${randomUUID()}`,
    taskQueue,
    args,
  });
const runInMonths = () => run({ inMonths: true, deliveries: true, notifications: true });
const detailsOf = async (handle: Awaited<ReturnType<typeof run>>) =>
  JSON.stringify(await handle.query<unknown>('__temporal_workflow_metadata'));

test('a run of 0.6 removes keys that are older than the setting says and nothing else', async () => {
  await keyOf('31 days');
  const young = await keyOf('29 days');
  await dropEveryMonth(sql, 'measurement');
  const handle = await run();
  expect(await handle.result()).toEqual({ removedKeys: 1 });
  expect(await left()).toEqual([young]);
  expect(await monthsOf('measurement')).toEqual([]);
  expect(await detailsOf(handle)).toContain('1 idempotency keys removed. They are kept for 30 days.');
});

test('a run makes the months to come, drops those that the settings let go, removes old keys, and tells all of it', async () => {
  await keyOf('31 days');
  const young = await keyOf('29 days');
  const { deliveries, deliveriesLeft } = await oldDeliveries();
  for (const days of [91, 89])
    await sql`
      insert into payment_notification (id, reference, provider_id, type, received_at, state, handled_at)
      values (${`received ${days} days ago`}, 'r', 'p', 'payment.captured', ${new Date(Date.now() - days * DAY_MS)}, 'handled', now())
    `;
  await dropEveryMonth(sql, 'measurement');
  // The last month that has to be kept, and the one before.
  const kept = new Date(Date.now() - 400 * DAY_MS);
  const goes = new Date(Date.UTC(kept.getUTCFullYear(), kept.getUTCMonth() - 1, 1));
  for (const at of [goes, kept])
    await sql`insert into measurement (minute, name, value, subjects, at) values (${at}, 'busy_buyers', 0, '[]', ${at})`;
  await sql`select make_months_of('measurement', ${goes}, 1)`;
  const handle = await runInMonths();
  const ahead = [0, 1, 2, 3].map((month) => `measurement_${nameOf(inMonths(month))}`);
  expect(await handle.result()).toEqual({
    madeMonths: ahead,
    droppedMonths: [`measurement_${nameOf(goes)}`],
    removedKeys: 1,
    removedDeliveries: 1,
    removedNotifications: 1,
  });
  expect(await left()).toEqual([young]);
  expect(await deliveriesLeft()).toEqual(deliveries.slice(1));
  expect([...(await sql`select id from payment_notification`)]).toEqual([{ id: 'received 89 days ago' }]);
  expect(await monthsOf('measurement')).toEqual([`measurement_${nameOf(kept)}`, ...ahead]);
  const details = await detailsOf(handle);
  for (const line of [
    '4 months made.',
    `- ${ahead[0]}`,
    '1 months dropped.',
    `- measurement_${nameOf(goes)}, with 1 rows`,
    'Months of order_event are kept for 2557 days.',
    'Months of measurement are kept for 400 days.',
    '1 idempotency keys removed. They are kept for 30 days.',
    '1 deliveries of webhooks removed, 1 that waited for too long given up. They are kept for 30 days.',
    '1 notifications of payment providers removed. They are kept for 90 days.',
  ])
    expect(details).toContain(line);
  expect(await (await runInMonths()).result()).toEqual({
    madeMonths: [],
    droppedMonths: [],
    removedKeys: 0,
    removedDeliveries: 0,
    removedNotifications: 0,
  });
});

/** One that ended long ago, one that ended yesterday, one that has waited for long and one that waits since yesterday. */
async function oldDeliveries() {
  const { id } = await registerWebhook(database.reaching({ shop: MAIN_SHOP }));
  const plant = async (days: number, state: string) => {
    const at = new Date(Date.now() - days * DAY_MS);
    const delivery = uuidv7({ msecs: at.getTime() });
    await sql`
      insert into webhook_delivery
        (id, webhook_id, shop_id, event_id, type, kind, order_id, version, state, due_at, created_at, ended_at)
      values (
        ${delivery}, ${id}, ${MAIN_SHOP}, ${`${delivery}-1`}, 'order.paid', 'event', ${delivery}, 1, ${state}, ${at}, ${at},
        ${state === 'pending' ? null : at}
      )
    `;
    return delivery;
  };
  const deliveries = [
    await plant(31, 'delivered'),
    await plant(31, 'pending'),
    await plant(29, 'delivered'),
    await plant(29, 'pending'),
  ];
  return {
    deliveries,
    deliveriesLeft: async () => {
      const rows = await sql<{ id: string }[]>`select id from webhook_delivery order by id`;
      return rows.map((row) => row.id);
    },
  };
}

test('two runs at once make each month once, and neither fails', async () => {
  await dropEveryMonth(sql, 'measurement');
  const ends = await Promise.all([await runInMonths(), await runInMonths()].map((handle) => handle.result()));
  expect(ends.flatMap(({ madeMonths }) => madeMonths)).toHaveLength(4);
});

test('two runs at once remove each key once', async () => {
  for (let count = 0; count < 20; count += 1) await keyOf('31 days');
  const ends = await Promise.all([await run(), await run()].map((handle) => handle.result()));
  expect(ends.reduce((sum, { removedKeys }) => sum + removedKeys, 0)).toBe(20);
  expect(await left()).toEqual([]);
});

test.each([
  ['30 days by the setting when Temporal keeps closed workflows for a week', 7, 30],
  ['30 days by the setting when Temporal keeps closed workflows for 29 days', 29, 30],
  ['a day longer than Temporal keeps closed workflows when that is longer', 90, 91],
])('keys are kept for %s', async (_, closedDays, keptDays) => {
  const settings = retentionSettings(
    workerSettings({ DATABASE_URL: 'postgres://h', TEMPORAL_ADDRESS: 'h:1' }),
  );
  const activities = createRetentionActivities(database, settings, () =>
    Promise.resolve(closedDays * DAY_MS),
  );
  await keyOf(`${keptDays} days 1 minute`);
  const young = await keyOf(`${keptDays} days -1 minute`);
  expect(await activities.removeKeys({ after: null })).toEqual({
    removed: 1,
    next: null,
    keptFor: keptDays * DAY_MS,
  });
  expect(await left()).toEqual([young]);
});

test('how long Temporal keeps closed workflows is asked of its namespace, also after that was changed', async () => {
  const namespace = `kept-${randomUUID()}`;
  const period = (days: number) => msToTs(days * DAY_MS);
  await client.workflowService.registerNamespace({ namespace, workflowExecutionRetentionPeriod: period(3) });
  const there = new Client({ connection: client.connection, namespace });
  expect(await closedWorkflowsKeptFor(there)).toBe(3 * DAY_MS);
  await client.workflowService.updateNamespace({
    namespace,
    config: { workflowExecutionRetentionTtl: period(45) },
  });
  expect(await closedWorkflowsKeptFor(there)).toBe(45 * DAY_MS);
});

test('every deployment has the schedule, with the interval of the setting', () => {
  const settings = workerSettings({
    DATABASE_URL: 'postgres://h',
    TEMPORAL_ADDRESS: 'h:1',
    RETENTION_EVERY: '2h',
  });
  expect(schedulesFor(settings)).toContainEqual(
    retentionSchedule({ taskQueue: settings.TASK_QUEUE, every: 7_200_000 }),
  );
});
