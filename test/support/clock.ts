/** Moves one workflow's time on the real server. Only that workflow's: the database's clock and other orders stay. */
import { randomUUID } from 'node:crypto';
import { msToTs } from '@temporalio/common/lib/time.js';
import { isGrpcServiceError, type Client } from '@temporalio/client';

export interface Clock {
  /**
   * Moves a workflow's clock by exactly so many milliseconds, firing the timers that lie between. It halts while an
   * activity runs. A workflow that ends first needs no clock any more: then it resolves, too.
   */
  forward(workflowId: string, milliseconds: number): Promise<void>;
}

/** As the server words it; it has no code of its own for that. */
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
