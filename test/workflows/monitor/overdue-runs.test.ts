/** A scheduled run that no longer ends is noticed by the others; the schedule of the monitor. */
import { randomUUID } from 'node:crypto';
import { WorkflowFailedError } from '@temporalio/client';
import { tsToMs } from '@temporalio/common/lib/time.js';
import { expect, test } from 'vitest';
import { createMonitorActivities } from '../../../activities/monitor.ts';
import { MEASURES, RUN_NAMES, type RunName } from '../../../domain/measures.ts';
import { ensureSchedule, monitorSchedule } from '../../../worker/schedules.ts';
import { freshDatabase } from '../../support/database.ts';
import { MINUTE, monitoring } from '../../support/monitoring.ts';
import { makeLastAttempt } from '../../support/last-attempt.ts';
import { startSystem } from '../../support/system.ts';
import { until } from '../../support/until.ts';

const system = await startSystem({ payments: true });
const { client, sql, taskQueue } = system;
const { settings } = monitoring(system);

const INTERVAL = {
  reconcile: 5 * MINUTE,
  stats: MINUTE,
  monitor: MINUTE,
  retention: 60 * MINUTE,
  seal: MINUTE,
  webhooks: MINUTE,
  payments: MINUTE,
};
const NAME = 'runs_overdue';

test('a run is not overdue in a new installation before three of its intervals are over', async () => {
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
  expect(await overdueAt(3 * MINUTE + 1)).toEqual(['monitor', 'payments', 'seal', 'stats', 'webhooks']);
  expect(await overdueAt(15 * MINUTE + 1)).toEqual([
    'monitor',
    'payments',
    'reconcile',
    'seal',
    'stats',
    'webhooks',
  ]);
  expect(await overdueAt(180 * MINUTE + 1)).toEqual([
    'monitor',
    'payments',
    'reconcile',
    'retention',
    'seal',
    'stats',
    'webhooks',
  ]);
});

test.each([
  ['stats', 'the monitor', 'monitor'],
  ['reconcile', 'the monitor', 'monitor'],
  ['monitor', 'reconciliation', 'reconcile'],
] as const)('a run of %s opens an alert when %s no longer ends its runs', async (watcher, _what, overdue) => {
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

test('every run records its end when it ends well, and only then', async () => {
  const endOf = async (run: RunName) => {
    const [row] = await sql<
      { endedAt: Date | null }[]
    >`select ended_at as "endedAt" from run_end where run = ${run}`;
    return row?.endedAt ?? null;
  };
  const start = (workflowType: RunName, args: unknown[] = []) =>
    client.workflow.start(workflowType, {
      workflowId: `${workflowType}-${randomUUID()}`,
      taskQueue,
      args,
    });
  const before = new Date();
  const runs = [
    await start('reconcile', [{ repairCounters: false }]),
    await start('stats'),
    await start('monitor'),
    await start('retention'),
    await start('seal'),
    await start('webhooks'),
    await start('payments'),
  ];
  for (const run of runs) await run.result();
  const ends = await Promise.all(RUN_NAMES.map(endOf));
  expect(ends.every((end) => end !== null && end >= before)).toBe(true);
  await sql`alter table attention rename to elsewhere`;
  const failing = await start('monitor');
  await until('a failed attempt', async () => {
    const { raw } = await failing.describe();
    return (raw.pendingActivities?.[0]?.attempt ?? 0) > 1;
  });
  await makeLastAttempt(client, failing.workflowId, 'measure');
  await expect(failing.result()).rejects.toThrow(WorkflowFailedError);
  await sql`alter table elsewhere rename to attention`;
  expect(await endOf('monitor')).toEqual(ends[RUN_NAMES.indexOf('monitor')]);
}, 90_000);

test('a run outlives an outage that begins when its work is done, however long its attempts to record its end fail', async () => {
  await sql`alter table run_end rename to elsewhere`;
  try {
    const handle = await client.workflow.start('stats', { workflowId: `stats-${randomUUID()}`, taskQueue });
    const recording = await until('a failed attempt to record the end', async () => {
      const { raw } = await handle.describe();
      return raw.pendingActivities?.find(({ activityType, attempt }) => {
        return activityType?.name === 'recordRunEnd' && (attempt ?? 0) > 1;
      });
    });
    expect(tsToMs(recording.expirationTime) - tsToMs(recording.scheduledTime)).toBeGreaterThan(4 * MINUTE);
    await sql`alter table elsewhere rename to run_end`;
    expect(await handle.result()).toMatchObject({ counted: expect.any(Number) });
  } finally {
    await sql`alter table if exists elsewhere rename to run_end`;
  }
}, 90_000);

test('the schedule of the monitor exists once, follows the settings, and stays paused when somebody paused it', async () => {
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
