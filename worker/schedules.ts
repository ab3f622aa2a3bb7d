/** The schedules that belong to the project, seen and paused in the Web UI like any other. */
import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import {
  ScheduleAlreadyRunning,
  ScheduleNotFoundError,
  type Client,
  type ScheduleDescription,
  type ScheduleOptions,
} from '@temporalio/client';
import { WORKFLOW, type ReconcileInput } from '../workflows/contract.ts';

/** One interval, one workflow, no two runs at once. Each deployment in a namespace has its own. */
interface Schedule {
  /** Also the id of its runs, with their times. */
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

export const reconcileSchedule = ({
  input,
  ...settings
}: ScheduleSettings & { input: ReconcileInput }): Schedule => ({
  ...settings,
  scheduleId: idOf(WORKFLOW.reconcile, settings),
  workflowType: WORKFLOW.reconcile,
  args: [input],
});

export const statsSchedule = (settings: ScheduleSettings): Schedule => ({
  ...settings,
  scheduleId: idOf(WORKFLOW.stats, settings),
  workflowType: WORKFLOW.stats,
  args: [],
});

export const monitorSchedule = (settings: ScheduleSettings): Schedule => ({
  ...settings,
  scheduleId: idOf(WORKFLOW.monitor, settings),
  workflowType: WORKFLOW.monitor,
  args: [],
});

const idOf = (workflowType: string, { taskQueue }: ScheduleSettings): string =>
  `${workflowType}-${taskQueue}`;

/** Longer than Temporal takes when it is there. */
const WITHIN_MS = 10_000;
const PAUSE_MS = 5_000;

/**
 * Sees to it that the schedules are there, and tries again until they are, or until the signal. Orders must not wait for it:
 * a question to a Temporal that has gone silent is answered after a minute, if ever.
 */
export async function ensureSchedules(
  client: Client,
  schedules: readonly Schedule[],
  { logger, signal }: { logger: Logger; signal: AbortSignal },
): Promise<void> {
  for (const schedule of schedules) {
    while (!signal.aborted) {
      try {
        await client.withDeadline(Date.now() + WITHIN_MS, () => ensureSchedule(client, schedule));
        break;
      } catch (error) {
        logger.warn({ err: error, scheduleId: schedule.scheduleId }, 'schedule not there yet, trying again');
        await delay(PAUSE_MS, undefined, { signal }).catch(() => {});
      }
    }
  }
}

/**
 * Creates a schedule, or brings it up to the settings. One that somebody paused stays paused. Safe to call from several workers
 * at once.
 */
export async function ensureSchedule(client: Client, schedule: Schedule): Promise<void> {
  const { scheduleId } = schedule;
  const before = await scheduleOf02(client, schedule);
  const options = { ...optionsOf(schedule), ...(before && { state: before.state }) };
  try {
    await client.schedule.create({ scheduleId, ...options });
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    const handle = client.schedule.getHandle(scheduleId);
    // Each update begins the interval anew, so a worker that starts every few minutes would put the run off for ever.
    if (!isUpToDate(await handle.describe(), schedule))
      await handle.update(({ state }) => ({ ...options, state }));
  }
  if (before) await deleteSchedule(client, before.scheduleId);
}

/** Up to 0.2 a schedule had no task queue in its id: it would go on beside the one that has. */
async function scheduleOf02(client: Client, { workflowType, taskQueue }: Schedule) {
  try {
    const { scheduleId, action, state } = await client.schedule.getHandle(workflowType).describe();
    const { paused, note } = state;
    return action.taskQueue === taskQueue
      ? { scheduleId, state: { paused, ...(note !== undefined && { note }) } }
      : undefined;
  } catch (error) {
    if (error instanceof ScheduleNotFoundError) return undefined;
    throw error;
  }
}

async function deleteSchedule(client: Client, scheduleId: string): Promise<void> {
  try {
    await client.schedule.getHandle(scheduleId).delete();
  } catch (error) {
    if (!(error instanceof ScheduleNotFoundError)) throw error;
  }
}

function isUpToDate({ spec, action }: ScheduleDescription, { every, taskQueue, args }: Schedule): boolean {
  return (
    spec.intervals?.length === 1 &&
    spec.intervals[0]?.every === every &&
    action.taskQueue === taskQueue &&
    isDeepStrictEqual(action.args ?? [], args)
  );
}

function optionsOf({ scheduleId, workflowType, taskQueue, every, args }: Schedule) {
  return {
    spec: { intervals: [{ every }] },
    action: { type: 'startWorkflow', workflowType, workflowId: scheduleId, taskQueue, args },
    policies: {
      // The next run looks at everything again anyway.
      overlap: 'SKIP',
      catchupWindow: '1 minute',
    },
  } satisfies Omit<ScheduleOptions, 'scheduleId'>;
}
