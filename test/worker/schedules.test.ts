/** The schedules of the background runs exist, follow the settings, and keep what a person did to them. */
import { randomUUID } from 'node:crypto';
import { Client, ScheduleNotFoundError } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { openDatabase, RUNNING_ROLE } from '../../db/connection.ts';
import { identityOf } from '../../db/identity.ts';
import {
  ensureSchedule,
  ensureSchedules,
  monitorSchedule,
  reconcileSchedule,
  statsSchedule,
} from '../../worker/schedules.ts';
import { LONGEST_RUN_MS } from '../../domain/timeouts.ts';
import { deliverWorkflowId } from '../../domain/workflow-ids.ts';
import { WORKFLOW } from '../../workflows/messages.ts';
import { freshDatabase } from '../support/database.ts';
import { startSystem } from '../support/system.ts';
import { until } from '../support/until.ts';

const { client, taskQueue, database, sql, url: databaseUrl } = await startSystem();

test('a schedule exists once, follows the settings, and stays paused when a person paused it', async () => {
  const settings = { taskQueue, every: 300_000, input: { repairCounters: false } };
  const wanted = reconcileSchedule(settings);
  const schedule = client.schedule.getHandle(wanted.scheduleId);
  try {
    await Promise.all([ensureSchedule(client, wanted), ensureSchedule(client, wanted)]);
    await schedule.pause('looking into it');
    await until('the pause', async () => ((await schedule.describe()).state.paused ? true : undefined));
    await ensureSchedule(
      client,
      reconcileSchedule({ ...settings, every: 60_000, input: { repairCounters: true } }),
    );
    const described = await schedule.describe();
    expect(described).toMatchObject({
      spec: { intervals: [{ every: 60_000 }] },
      state: { paused: true, note: 'looking into it' },
      action: { workflowType: 'reconcile', args: [{ repairCounters: true }] },
    });
    await schedule.unpause();
    await schedule.trigger();
    const run = await until('a run', async () => (await schedule.describe()).info.recentActions[0]);
    expect(run.action.workflow.workflowId).toContain('reconcile');
  } finally {
    await schedule.delete();
  }
});

test('two deployments in one namespace each have a schedule of their own', async () => {
  const schedules = ['first', 'second'].map((name) =>
    monitorSchedule({ taskQueue: `${name}-${taskQueue}`, every: 60_000 }),
  );
  for (const schedule of schedules) await ensureSchedule(client, schedule);
  for (const { scheduleId, taskQueue: own } of schedules) {
    const schedule = client.schedule.getHandle(scheduleId);
    expect(await schedule.describe()).toMatchObject({ action: { taskQueue: own } });
    await schedule.delete();
  }
});

test('a schedule of 0.2, without a task queue in its id, is replaced by one with it, and stays paused', async () => {
  const wanted = monitorSchedule({ taskQueue, every: 60_000 });
  const old = await client.schedule.create({
    scheduleId: WORKFLOW.monitor,
    spec: { intervals: [{ every: 60_000 }] },
    action: { type: 'startWorkflow', workflowType: WORKFLOW.monitor, taskQueue },
    state: { paused: true, note: 'looking into it' },
  });
  await Promise.all([ensureSchedule(client, wanted), ensureSchedule(client, wanted)]);
  await expect(old.describe()).rejects.toThrow(ScheduleNotFoundError);
  const schedule = client.schedule.getHandle(wanted.scheduleId);
  expect(await schedule.describe()).toMatchObject({ state: { paused: true, note: 'looking into it' } });
  await schedule.delete();
});

describe('a deployment whose task queue was changed', () => {
  const every = 60_000;
  const schedulesOf = (queue: string) => [
    reconcileSchedule({ taskQueue: queue, every, input: { repairCounters: false } }),
    statsSchedule({ taskQueue: queue, every }),
    monitorSchedule({ taskQueue: queue, every }),
  ];
  const ensure = async (queue: string, owner?: string) => {
    for (const schedule of schedulesOf(queue)) await ensureSchedule(client, schedule, owner);
  };
  const handlesOf = (queue: string) =>
    schedulesOf(queue).map(({ scheduleId }) => client.schedule.getHandle(scheduleId));
  const isThere = async (queue: string) => {
    const there = await Promise.all(
      handlesOf(queue).map((handle) =>
        handle.describe().then(
          () => true,
          (error: unknown) => {
            if (error instanceof ScheduleNotFoundError) return false;
            throw error;
          },
        ),
      ),
    );
    return there.every(Boolean) ? 'all' : there.some(Boolean) ? 'some' : 'none';
  };
  const untilListed = (...queues: string[]) =>
    until('the listing to know of the schedules', async () => {
      const ids = new Set<string>();
      for await (const { scheduleId } of client.schedule.list()) ids.add(scheduleId);
      const wanted = queues.flatMap((queue) => schedulesOf(queue).map(({ scheduleId }) => scheduleId));
      return wanted.every((id) => ids.has(id)) ? true : undefined;
    });
  const remove = async (queue: string) => {
    for (const handle of handlesOf(queue)) await handle.delete().catch(() => {});
  };

  test('takes its own schedules along, keeps paused ones paused, and leaves those of other deployments alone', async () => {
    const [before, now, other, unknown] = ['before', 'now', 'other', 'unknown'].map(
      (name) => `${name}-${randomUUID()}`,
    );
    if (!before || !now || !other || !unknown) throw new Error('Each needs a name.');
    const [ours, theirs] = [await identityOf(database), await identityOf((await freshDatabase()).database)];
    expect(ours).not.toBe(theirs);
    try {
      await ensure(before, ours);
      await ensure(other, theirs);
      // Those of an earlier release do not name their deployment.
      await ensure(unknown);
      const [paused] = handlesOf(before);
      await paused?.pause('looking into it');
      // A run that no worker takes.
      const [, , stuck] = handlesOf(before);
      await stuck?.trigger();
      const run = await until('a run', async () => (await stuck?.describe())?.info.recentActions[0]?.action);
      const delivery = await client.workflow.start(WORKFLOW.deliverAlerts, {
        workflowId: deliverWorkflowId(before, { name: 'order_success', receiver: 'slack' }),
        taskQueue: before,
        args: [{ name: 'order_success', receiver: 'slack' }],
      });
      await untilListed(before, other, unknown);

      await ensure(now, ours);
      expect(await isThere(before)).toBe('none');
      expect(await isThere(now)).toBe('all');
      expect(await isThere(other)).toBe('all');
      expect(await isThere(unknown)).toBe('all');
      const [reconciling, counting] = handlesOf(now);
      expect((await reconciling?.describe())?.state).toMatchObject({ paused: true, note: 'looking into it' });
      expect((await counting?.describe())?.state).toMatchObject({ paused: false });
      const ended = await client.workflow.getHandle(run.workflow.workflowId).describe();
      expect(ended.status.name).toBe('TERMINATED');
      expect((await delivery.describe()).status.name).toBe('TERMINATED');
      // Another worker of the same deployment changes nothing.
      const [described] = await Promise.all(handlesOf(now).map((handle) => handle.describe()));
      await ensure(now, ours);
      expect((await handlesOf(now)[0]?.describe())?.info.lastUpdatedAt).toEqual(
        described?.info.lastUpdatedAt,
      );
    } finally {
      for (const queue of [before, now, other, unknown]) await remove(queue);
    }
  }, 90_000);

  test('is recognised by its database even with a login that may do no more than take the running role', async () => {
    await sql`create role plain login`;
    await sql`grant ${sql(RUNNING_ROLE)} to plain with inherit false, set true`;
    try {
      const url = Object.assign(new URL(databaseUrl), { username: 'plain' }).href;
      const plain = openDatabase(url, { connections: 1, name: 'test' });
      expect(await identityOf(plain)).toBe(await identityOf(database));
      await plain.close();
    } finally {
      await sql`drop role plain`;
    }
  });
});

test('a stuck run ends, so that its schedule can start the next one', async () => {
  const wanted = monitorSchedule({ taskQueue, every: 60_000 });
  await ensureSchedule(client, wanted);
  const schedule = client.schedule.getHandle(wanted.scheduleId);
  expect((await schedule.describe()).action.workflowRunTimeout).toBe(LONGEST_RUN_MS);
  await schedule.delete();
});

test('schedules that Temporal refuses at first are created once Temporal accepts them', async () => {
  const namespace = `later-${randomUUID()}`;
  const later = new Client({ connection: client.connection, namespace });
  const warnings: string[] = [];
  const logger = pino({ level: 'warn' }, { write: (line) => void warnings.push(line) });
  const ending = new AbortController();
  const wanted = monitorSchedule({ taskQueue, every: 60_000 });
  const scheduling = ensureSchedules(later, [wanted], { logger, signal: ending.signal });
  await until('a refusal', () => Promise.resolve(warnings.length > 0 ? true : undefined));
  await client.workflowService.registerNamespace({
    namespace,
    workflowExecutionRetentionPeriod: msToTs(86_400_000),
  });
  await scheduling;
  expect(await later.schedule.getHandle(wanted.scheduleId).describe()).toMatchObject({
    action: { workflowType: 'monitor' },
  });
  await later.schedule.getHandle(wanted.scheduleId).delete();
  const never = new Client({ connection: client.connection, namespace: `never-${randomUUID()}` });
  const trying = ensureSchedules(never, [wanted], { logger, signal: ending.signal });
  ending.abort();
  await trying;
});
