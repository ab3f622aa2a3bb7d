/** The project's schedules are there, follow the settings, and leave alone what somebody did to them. */
import { randomUUID } from 'node:crypto';
import { Client, ScheduleNotFoundError } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { ensureSchedule, ensureSchedules, monitorSchedule, reconcileSchedule } from '../worker/schedules.ts';
import { WORKFLOW } from '../workflows/contract.ts';
import { startSystem } from './support/system.ts';
import { until } from './support/until.ts';

const { client, taskQueue } = await startSystem();

test('the schedule is there once, follows the settings, and stays paused when somebody paused it', async () => {
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

test('two deployments in one namespace each have a schedule', async () => {
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

test('a schedule of 0.2, which had no task queue in its id, gives way to the one that has, and stays paused', async () => {
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

test('schedules that Temporal does not take yet are there once it does', async () => {
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
