/** The scheduled run that removes idempotency keys, and for how long it keeps them. */
import { randomUUID } from 'node:crypto';
import { Client } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import { afterEach, expect, test } from 'vitest';
import { createRetentionActivities } from '../../activities/retention.ts';
import { closedWorkflowsKeptFor } from '../../client/namespace.ts';
import { workerSettings } from '../../settings.ts';
import { retentionSchedule, schedulesFor } from '../../worker/schedules.ts';
import { WORKFLOW, type RetentionEnd } from '../../workflows/messages.ts';
import { expectRulesHold } from '../support/database.ts';
import { plantIdempotencyKey } from '../support/planted.ts';
import { startSystem } from '../support/system.ts';

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

const run = () =>
  client.workflow.start<() => Promise<RetentionEnd>>(WORKFLOW.retention, {
    workflowId: `retention-${randomUUID()}`,
    taskQueue,
  });

test('a run removes what is older than the setting says, and tells how much and for how long keys are kept', async () => {
  await keyOf('31 days');
  const young = await keyOf('29 days');
  const handle = await run();
  expect(await handle.result()).toEqual({ removedKeys: 1 });
  expect(await left()).toEqual([young]);
  const details = await handle.query<string>('__temporal_workflow_metadata');
  expect(JSON.stringify(details)).toContain('1 idempotency keys removed. They are kept for 30 days.');
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
  const activities = createRetentionActivities(database, { idempotencyKeys: 30 * DAY_MS }, () =>
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
