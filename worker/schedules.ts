/** The schedules that belong to the project, seen and paused in the Web UI like any other. */
import { isDeepStrictEqual } from 'node:util';
import {
  ScheduleAlreadyRunning,
  type Client,
  type ScheduleDescription,
  type ScheduleOptions,
} from '@temporalio/client';
import { WORKFLOW } from '../workflows/contract.ts';

export const RECONCILE_SCHEDULE = 'reconcile';

export interface ScheduleSettings {
  taskQueue: string;
  /** Milliseconds between two reconciliations. */
  reconcileEvery: number;
  /** Whether the scheduled reconciliation sets counters to what they sum. */
  repairCounters: boolean;
}

/**
 * Creates the schedules, or brings them up to the settings. One that somebody paused stays paused. Safe to call from several
 * workers at once.
 */
export async function ensureSchedules(client: Client, settings: ScheduleSettings): Promise<void> {
  const options = reconcileSchedule(settings);
  try {
    await client.schedule.create({ scheduleId: RECONCILE_SCHEDULE, ...options });
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    const schedule = client.schedule.getHandle(RECONCILE_SCHEDULE);
    // Each update begins the interval anew, so a worker that starts every few minutes would put the run off for ever.
    if (isUpToDate(await schedule.describe(), settings)) return;
    await schedule.update((before) => ({ ...options, state: before.state }));
  }
}

function isUpToDate({ spec, action }: ScheduleDescription, settings: ScheduleSettings): boolean {
  const { taskQueue, reconcileEvery, repairCounters } = settings;
  return (
    spec.intervals?.length === 1 &&
    spec.intervals[0]?.every === reconcileEvery &&
    action.taskQueue === taskQueue &&
    isDeepStrictEqual(action.args, [{ repairCounters }])
  );
}

function reconcileSchedule({ taskQueue, reconcileEvery, repairCounters }: ScheduleSettings) {
  return {
    spec: { intervals: [{ every: reconcileEvery }] },
    action: {
      type: 'startWorkflow',
      workflowType: WORKFLOW.reconcile,
      workflowId: RECONCILE_SCHEDULE,
      taskQueue,
      args: [{ repairCounters }],
    },
    policies: {
      // The next run looks at everything again anyway.
      overlap: 'SKIP',
      catchupWindow: '1 minute',
    },
  } satisfies Omit<ScheduleOptions, 'scheduleId'>;
}
