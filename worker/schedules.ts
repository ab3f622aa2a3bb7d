/** The schedules that belong to the project, seen and paused in the Web UI like any other. */
import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import {
  ScheduleAlreadyRunning,
  ScheduleNotFoundError,
  WorkflowNotFoundError,
  type Client,
  type ScheduleDescription,
  type ScheduleOptions,
} from '@temporalio/client';
import { MEASURES } from '../domain/measures.ts';
import { LONGEST_RUN_MS } from '../domain/timeouts.ts';
import { deliverWorkflowId } from '../domain/workflow-ids.ts';
import { WORKFLOW, type ReconcileInput } from '../workflows/messages.ts';

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

/** Names the database in the memo of what a schedule starts: schedules of one database are of one deployment. */
const OWNER = 'holdfastDatabase';

/** Longer than Temporal takes when it is there. */
const WITHIN_MS = 10_000;
const PAUSE_MS = 5_000;

/**
 * Sees to it that the schedules are there, and tries again until they are, or until the signal. Orders must not wait for it:
 * a question to a Temporal that has gone silent is answered after a minute, if ever.
 * @param findOwner names the deployment's database, whose schedules of another task queue are taken over.
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
        await client.withDeadline(Date.now() + WITHIN_MS, () => ensureSchedule(client, schedule, owner));
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
 * @param owner the deployment's database. Its schedule of another task queue would go on starting runs that no worker takes: it
 * gives way to this one.
 */
export async function ensureSchedule(client: Client, schedule: Schedule, owner?: string): Promise<void> {
  const { scheduleId } = schedule;
  const before = await predecessorsOf(client, schedule, owner);
  const paused = before.find(({ state }) => state.paused);
  const options = { ...optionsOf(schedule, owner), ...(paused && { state: paused.state }) };
  try {
    await client.schedule.create({ scheduleId, ...options });
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    const handle = client.schedule.getHandle(scheduleId);
    // Each update begins the interval anew, so a worker that starts every few minutes would put the run off for ever.
    if (!isUpToDate(await handle.describe(), schedule, owner))
      await handle.update(({ state }) => ({ ...options, state }));
  }
  for (const old of before) await retire(client, old, schedule.taskQueue);
}

interface Predecessor {
  scheduleId: string;
  taskQueue: string;
  state: { paused: boolean; note?: string };
  /** Ids of its runs that have not ended. */
  running: string[];
}

/** What did this schedule's work before, under another id. */
async function predecessorsOf(
  client: Client,
  { scheduleId, workflowType, taskQueue }: Schedule,
  owner: string | undefined,
): Promise<Predecessor[]> {
  const found: Predecessor[] = [];
  // Up to 0.2 a schedule had no task queue in its id.
  const of02 = await describe(client, workflowType);
  if (of02?.action.taskQueue === taskQueue) found.push(predecessor(of02));
  if (owner === undefined) return found;
  for await (const { scheduleId: id } of client.schedule.list()) {
    if (id === scheduleId || !id.startsWith(`${workflowType}-`)) continue;
    const other = await describe(client, id);
    if (other?.action.workflowType === workflowType && other.action.memo?.[OWNER] === owner)
      found.push(predecessor(other));
  }
  return found;
}

async function describe(client: Client, scheduleId: string): Promise<ScheduleDescription | undefined> {
  try {
    return await client.schedule.getHandle(scheduleId).describe();
  } catch (error) {
    if (error instanceof ScheduleNotFoundError) return undefined;
    throw error;
  }
}

const predecessor = ({ scheduleId, action, state, info }: ScheduleDescription): Predecessor => ({
  scheduleId,
  taskQueue: action.taskQueue,
  state: { paused: state.paused, ...(state.note !== undefined && { note: state.note }) },
  running: info.runningActions.map(({ workflow }) => workflow.workflowId),
});

/** Deletes it, and then ends its runs and deliveries, which no worker takes any more: whatever they had left, the next run does. */
async function retire(
  client: Client,
  { scheduleId, taskQueue, running }: Predecessor,
  successor: string,
): Promise<void> {
  try {
    await client.schedule.getHandle(scheduleId).delete();
  } catch (error) {
    if (!(error instanceof ScheduleNotFoundError)) throw error;
  }
  if (taskQueue === successor) return;
  const deliveries = MEASURES.map((name) => deliverWorkflowId(taskQueue, name));
  for (const workflowId of [...running, ...deliveries]) {
    try {
      await client.workflow.getHandle(workflowId).terminate(`Its schedule moved to task queue ${successor}`);
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
    }
  }
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

function optionsOf(
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
      // One that is stuck would make its schedule skip all those after it.
      workflowRunTimeout: LONGEST_RUN_MS,
      ...(owner !== undefined && { memo: { [OWNER]: owner } }),
    },
    policies: {
      // The next run looks at everything again anyway.
      overlap: 'SKIP',
      catchupWindow: '1 minute',
    },
  } satisfies Omit<ScheduleOptions, 'scheduleId'>;
}
