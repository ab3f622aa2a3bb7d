/** The schedules of the background runs. The Web UI shows and pauses them like any other. */
import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import {
  ScheduleAlreadyRunning,
  type Client,
  type ScheduleDescription,
  type ScheduleOptions,
} from '@temporalio/client';
import { currentKeyOf } from '../client/data-converter.ts';
import { keyOfPayload } from '../client/payload-codec.ts';
import { LONGEST_RUN_MS } from '../domain/timeouts.ts';
import type { WorkerSettings } from '../settings.ts';
import { WORKFLOW, type ReconcileInput, type RetentionInput } from '../workflows/messages.ts';
import { OWNER, findPredecessors, retire } from './schedule-predecessors.ts';

/** One interval, one workflow, never two runs at once. Each deployment in a namespace has its own. */
export interface Schedule {
  /** Its runs have this id with their time. */
  scheduleId: string;
  workflowType: string;
  taskQueue: string;
  /** Milliseconds between two runs. */
  every: number;
  args: unknown[];
}

export interface ScheduleSettings {
  taskQueue: string;
  /** Milliseconds between two runs. */
  every: number;
}

/** The schedules of a deployment with these settings. */
export const schedulesFor = (settings: WorkerSettings): Schedule[] => {
  const taskQueue = settings.TASK_QUEUE;
  const input = { repairCounters: settings.RECONCILE_REPAIR, payments: true };
  return [
    reconcileSchedule({ taskQueue, every: settings.RECONCILE_EVERY, input }),
    statsSchedule({ taskQueue, every: settings.STATS_EVERY }),
    monitorSchedule({ taskQueue, every: settings.MONITOR_EVERY }),
    retentionSchedule({ taskQueue, every: settings.RETENTION_EVERY }),
    sealSchedule({ taskQueue, every: settings.SEAL_EVERY }),
    webhooksSchedule({ taskQueue, every: settings.WEBHOOKS_EVERY }),
    paymentsSchedule({ taskQueue, every: settings.PAYMENTS_EVERY }),
  ];
};

export const reconcileSchedule = ({
  input,
  ...settings
}: ScheduleSettings & { input: ReconcileInput }): Schedule =>
  scheduleOf(WORKFLOW.reconcile, settings, [input]);

export const statsSchedule = (settings: ScheduleSettings): Schedule => scheduleOf(WORKFLOW.stats, settings);

export const monitorSchedule = (settings: ScheduleSettings): Schedule =>
  scheduleOf(WORKFLOW.monitor, settings);

export const retentionSchedule = (settings: ScheduleSettings): Schedule =>
  scheduleOf(WORKFLOW.retention, settings, [
    { inMonths: true, deliveries: true, notifications: true } satisfies RetentionInput,
  ]);

export const sealSchedule = (settings: ScheduleSettings): Schedule => scheduleOf(WORKFLOW.seal, settings);

export const webhooksSchedule = (settings: ScheduleSettings): Schedule =>
  scheduleOf(WORKFLOW.webhooks, settings);

export const paymentsSchedule = (settings: ScheduleSettings): Schedule =>
  scheduleOf(WORKFLOW.payments, settings);

const scheduleOf = (
  workflowType: string,
  { taskQueue, every }: ScheduleSettings,
  args: unknown[] = [],
): Schedule => ({ scheduleId: `${workflowType}-${taskQueue}`, workflowType, taskQueue, every, args });

/** Longer than Temporal takes when it answers at all. */
const DEADLINE_MS = 10_000;
const PAUSE_MS = 5_000;

/**
 * Creates or updates the schedules, and tries again until all of them exist or the signal is aborted. Orders must not wait for it: a
 * Temporal that has gone silent answers after a minute, if ever.
 * @param findOwner names the deployment's database, whose schedules for another task queue are taken over.
 */
export async function ensureSchedules(
  client: Client,
  schedules: readonly Schedule[],
  { logger, signal, findOwner }: { logger: Logger; signal: AbortSignal; findOwner?: () => Promise<string> },
): Promise<void> {
  for (const schedule of schedules) {
    while (!signal.aborted) {
      try {
        const owner = await findOwner?.();
        await client.withDeadline(Date.now() + DEADLINE_MS, () => ensureSchedule(client, schedule, owner));
        break;
      } catch (error) {
        logger.warn(
          { err: error, scheduleId: schedule.scheduleId },
          'schedule does not exist yet, trying again',
        );
        await delay(PAUSE_MS, undefined, { signal }).catch(() => {});
      }
    }
  }
}

/**
 * Creates a schedule, or updates it to the settings. A paused schedule stays paused. Several workers may call this at the same time.
 * @param owner the deployment's database. Its schedule for another task queue would keep starting runs that no worker takes, so
 * this one replaces it.
 */
export async function ensureSchedule(client: Client, schedule: Schedule, owner?: string): Promise<void> {
  const { scheduleId } = schedule;
  const predecessors = await findPredecessors(client, schedule, owner);
  const paused = predecessors.find(({ state }) => state.paused);
  const options = { ...toOptions(schedule, owner), ...(paused && { state: paused.state }) };
  try {
    await client.schedule.create({ scheduleId, ...options });
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    const handle = client.schedule.getHandle(scheduleId);
    // Each update restarts the interval, so a worker that starts every few minutes would put the run off forever.
    const description = await handle.describe();
    if (!isUpToDate(description, schedule, owner) || !(await hasCurrentKey(client, description)))
      await handle.update(({ state }) => ({ ...options, state }));
  }
  for (const predecessor of predecessors) await retire(client, predecessor, schedule.taskQueue);
}

function isUpToDate(
  { spec, action }: ScheduleDescription,
  { every, taskQueue, args }: Schedule,
  owner: string | undefined,
): boolean {
  return (
    spec.intervals?.length === 1 &&
    spec.intervals[0]?.every === every &&
    action.taskQueue === taskQueue &&
    action.workflowRunTimeout === LONGEST_RUN_MS &&
    action.memo?.[OWNER] === owner &&
    isDeepStrictEqual(action.args ?? [], args)
  );
}

/** A schedule lasts for years: what is encrypted in it moves to the current key, so that the older ones can go. */
async function hasCurrentKey(client: Client, { raw }: ScheduleDescription): Promise<boolean> {
  const { input, memo } = raw.schedule?.action?.startWorkflow ?? {};
  const payloads = [...(input?.payloads ?? []), ...Object.values(memo?.fields ?? {})];
  const current = await currentKeyOf(client);
  return payloads.every((payload) => keyOfPayload(payload) === current);
}

function toOptions(
  { scheduleId, workflowType, taskQueue, every, args }: Schedule,
  owner: string | undefined,
) {
  return {
    spec: { intervals: [{ every }] },
    action: {
      type: 'startWorkflow',
      workflowType,
      workflowId: scheduleId,
      taskQueue,
      args,
      // A stuck run would make its schedule skip every run after it.
      workflowRunTimeout: LONGEST_RUN_MS,
      ...(owner !== undefined && { memo: { [OWNER]: owner } }),
    },
    policies: {
      // The next run inspects everything again anyway.
      overlap: 'SKIP',
      catchupWindow: '1 minute',
    },
  } satisfies Omit<ScheduleOptions, 'scheduleId'>;
}
