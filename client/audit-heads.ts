/** The heads of the audit that Temporal keeps: the results of the runs that sealed it. */
import type { Client } from '@temporalio/client';
import { expectedHead } from '../domain/audit-head.ts';
import type { AuditHead } from '../domain/audit.ts';
import { WORKFLOW } from '../workflows/messages.ts';
import { askTemporal } from './ask.ts';

/** The head that the chain must have by the run of this deployment that ended last, if Temporal still has one. */
export async function findLastHead(client: Client, taskQueue: string): Promise<AuditHead | null> {
  const { executions } = await askTemporal(client, () =>
    client.workflowService.listWorkflowExecutions({
      namespace: client.options.namespace,
      // The newest comes first.
      query: `WorkflowType = '${WORKFLOW.seal}' AND TaskQueue = '${taskQueue}' AND ExecutionStatus = 'Completed'`,
      pageSize: 1,
    }),
  );
  const { workflowId, runId } = executions[0]?.execution ?? {};
  if (!workflowId || !runId) return null;
  return expectedHead(await askTemporal(client, () => client.workflow.getHandle(workflowId, runId).result()));
}
