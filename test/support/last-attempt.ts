import type { Client } from '@temporalio/client';

/** Lets the next attempt of a workflow's activity be its last, as if the time for its retries were over. */
export async function makeLastAttempt(
  { workflowService, options: { namespace } }: Client,
  workflowId: string,
  type: string,
): Promise<void> {
  await workflowService.updateActivityOptions({
    namespace,
    execution: { workflowId },
    type,
    activityOptions: { retryPolicy: { maximumAttempts: 1 } },
    updateMask: { paths: ['retry_policy.maximum_attempts'] },
  });
}
