/** Moves one workflow's time on the real server. Only that workflow's: the database's clock and other orders stay. */
import { randomUUID } from 'node:crypto';
import { msToTs } from '@temporalio/common/lib/time.js';
import type { Client } from '@temporalio/client';

export interface Clock {
  /** Moves a workflow's clock by exactly so many milliseconds, firing the timers that lie between. */
  forward(workflowId: string, milliseconds: number): Promise<void>;
  /** Lets an idle workflow jump from timer to timer from now on. */
  skipIdleTime(workflowId: string): Promise<void>;
}

export function clockOf({ workflowService, options: { namespace } }: Client): Clock {
  const skip = (workflowId: string, fastForward: { id: string; milliseconds: number } | null) =>
    workflowService.updateWorkflowExecutionOptions({
      namespace,
      workflowExecution: { workflowId },
      workflowExecutionOptions: {
        timeSkippingConfig: {
          enabled: true,
          fastForwardConfig: fastForward && {
            id: fastForward.id,
            duration: msToTs(fastForward.milliseconds),
          },
        },
      },
      updateMask: { paths: ['time_skipping_config'] },
    });
  return {
    async forward(workflowId, milliseconds) {
      const fastForwardId = randomUUID();
      await skip(workflowId, { id: fastForwardId, milliseconds });
      await workflowService.pollWorkflowExecutionTimeSkipping({
        namespace,
        workflowExecution: { workflowId },
        fastForwardId,
      });
    },
    async skipIdleTime(workflowId) {
      await skip(workflowId, null);
    },
  };
}
