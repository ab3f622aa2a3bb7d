/** Schedules that a schedule replaces: those of an earlier release, and those of the same deployment for another task queue. */
import {
  ScheduleNotFoundError,
  WorkflowNotFoundError,
  type Client,
  type ScheduleDescription,
} from '@temporalio/client';
import { ALERT_RECEIVERS } from '../domain/alert-receivers.ts';
import { MEASURES } from '../domain/measures.ts';
import { deliverWorkflowId } from '../domain/workflow-ids.ts';
import { WORKFLOW } from '../workflows/messages.ts';

/** The memo field that names the database in everything a schedule starts: schedules of one database belong to one deployment. */
export const OWNER = 'holdfastDatabase';

export interface Predecessor {
  scheduleId: string;
  taskQueue: string;
  state: { paused: boolean; note?: string };
  /** The ids of its runs, those that have just ended included. */
  runs: string[];
}

/** Finds the schedules that did this schedule's work under another id. */
export async function findPredecessors(
  client: Client,
  { scheduleId, workflowType, taskQueue }: { scheduleId: string; workflowType: string; taskQueue: string },
  owner: string | undefined,
): Promise<Predecessor[]> {
  const found: Predecessor[] = [];
  // Up to 0.2 a schedule had no task queue in its id.
  const from02 = await describe(client, workflowType);
  if (from02?.action.taskQueue === taskQueue) found.push(toPredecessor(from02));
  if (owner === undefined) return found;
  for await (const { scheduleId: id } of client.schedule.list()) {
    if (id === scheduleId || !id.startsWith(`${workflowType}-`)) continue;
    const other = await describe(client, id);
    if (other?.action.workflowType === workflowType && other.action.memo?.[OWNER] === owner)
      found.push(toPredecessor(other));
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

const toPredecessor = ({ scheduleId, action, state, info }: ScheduleDescription): Predecessor => ({
  scheduleId,
  taskQueue: action.taskQueue,
  state: { paused: state.paused, ...(state.note !== undefined && { note: state.note }) },
  // A run that somebody triggered is only among the recent ones.
  runs: [...info.runningActions, ...info.recentActions.map((recent) => recent.action)].map(
    ({ workflow }) => workflow.workflowId,
  ),
});

/** Deletes a schedule, and ends its runs and deliveries, which no worker takes. The next run does what they left undone. */
export async function retire(
  client: Client,
  { scheduleId, taskQueue, runs }: Predecessor,
  successor: string,
): Promise<void> {
  try {
    await client.schedule.getHandle(scheduleId).delete();
  } catch (error) {
    if (!(error instanceof ScheduleNotFoundError)) throw error;
  }
  if (taskQueue === successor) return;
  const deliveries = MEASURES.flatMap((name) =>
    ALERT_RECEIVERS.map((receiver) => deliverWorkflowId(taskQueue, { name, receiver })),
  );
  for (const workflowId of [...runs, ...deliveries, ...(await loopsOf(client, taskQueue))]) {
    try {
      await client.workflow.getHandle(workflowId).terminate(`Its schedule moved to task queue ${successor}`);
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
    }
  }
}

/** The workflows of webhooks and payments, which begin again on their own. Those of another deployment have another task queue. */
async function loopsOf(client: Client, taskQueue: string): Promise<string[]> {
  const types = `('${WORKFLOW.deliverWebhook}', '${WORKFLOW.payment}')`;
  const query = `WorkflowType IN ${types} AND TaskQueue = '${taskQueue}' AND ExecutionStatus = 'Running'`;
  const found: string[] = [];
  for await (const { workflowId } of client.workflow.list({ query })) found.push(workflowId);
  return found;
}
