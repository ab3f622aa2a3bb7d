/** Moves the time of one workflow on the real server. The database's clock and other workflows keep theirs. */
import { randomUUID } from 'node:crypto';
import { msToTs } from '@temporalio/common/lib/time.js';
import { isGrpcServiceError, type Client } from '@temporalio/client';

export interface Clock {
  /**
   * Moves a workflow's clock by exactly this many milliseconds and fires the timers on the way. The clock halts while an
   * activity runs. When the workflow ends first, this resolves, too.
   */
  forward(workflowId: string, milliseconds: number): Promise<void>;
}

/** The server's message; it has no code for this. */
const HAS_ENDED = /workflow execution already completed/;

export function clockOf({ workflowService, options: { namespace } }: Client): Clock {
  const execution = (workflowId: string) => ({ namespace, workflowExecution: { workflowId } });

  async function start(workflowId: string, fastForwardId: string, milliseconds: number): Promise<void> {
    await workflowService.updateWorkflowExecutionOptions({
      ...execution(workflowId),
      workflowExecutionOptions: {
        timeSkippingConfig: {
          enabled: true,
          fastForwardConfig: { id: fastForwardId, duration: msToTs(milliseconds) },
        },
      },
      updateMask: { paths: ['time_skipping_config'] },
    });
  }

  return {
    async forward(workflowId, milliseconds) {
      const fastForwardId = randomUUID();
      try {
        await start(workflowId, fastForwardId, milliseconds);
        await workflowService.pollWorkflowExecutionTimeSkipping({ ...execution(workflowId), fastForwardId });
      } catch (error) {
        if (!(isGrpcServiceError(error) && HAS_ENDED.test(error.details))) throw error;
      }
    },
  };
}
