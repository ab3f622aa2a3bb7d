/** What Holdfast asks about its namespace in Temporal. */
import type { Client } from '@temporalio/client';
import { tsToMs } from '@temporalio/common/lib/time.js';
import { askTemporal } from './ask.ts';

/** How many milliseconds Temporal keeps a workflow after it has ended. */
export async function closedWorkflowsKeptFor(client: Client): Promise<number> {
  const { namespace } = client.options;
  const { config } = await askTemporal(client, () => client.workflowService.describeNamespace({ namespace }));
  return tsToMs(config?.workflowExecutionRetentionTtl);
}
