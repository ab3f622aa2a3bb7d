/** Resets workflows as an operator does in the Web UI. */
import { randomUUID } from 'node:crypto';
import type { Client } from '@temporalio/client';

/** Whether Temporal sends a workflow again the commands that came after the point of its reset. */
export const REAPPLY = ['is sent its commands again', 'is sent no command again'] as const;
export type Reapply = (typeof REAPPLY)[number];

/** Temporal's ResetReapplyExcludeType: signals and updates. */
const COMMANDS = [1, 2];

/** Every task that a workflow's newest run has completed, in order. */
export async function completedTasks({ workflow }: Client, workflowId: string) {
  const { runId } = await workflow.getHandle(workflowId).describe();
  const { events } = await workflow.getHandle(workflowId, runId).fetchHistory();
  return (events ?? [])
    .filter((event) => event.workflowTaskCompletedEventAttributes)
    .map(({ eventId }) => ({ workflowId, runId, eventId }));
}
export type WorkflowTask = Awaited<ReturnType<typeof completedTasks>>[number];

/** Ends the workflow's newest run and starts another, which has the same history up to this task and continues from there. */
export async function reset(
  { workflowService, options: { namespace } }: Client,
  { workflowId, runId, eventId = null }: WorkflowTask,
  reapply: Reapply,
): Promise<void> {
  await workflowService.resetWorkflowExecution({
    namespace,
    workflowExecution: { workflowId, runId },
    workflowTaskFinishEventId: eventId,
    reason: 'test',
    requestId: randomUUID(),
    // oxlint-disable-next-line typescript/no-unsafe-enum-assignment -- the enum is in a package that is no dependency
    resetReapplyExcludeTypes: reapply === 'is sent no command again' ? COMMANDS : [],
  });
}
