/** Finds the workflows of refunds that callers asked for. */
import { WorkflowNotFoundError, type WorkflowHandle } from '@temporalio/client';
import { refundWorkflowId } from '../../domain/workflow-ids.ts';
import type { TestSystem } from './system.ts';
import { until } from './until.ts';

type Servers = Pick<TestSystem, 'client' | 'sql'>;

/** The ids of the workflows of an order's refunds, the newest first. */
export async function listRefundWorkflows(system: Servers, orderId: string): Promise<string[]> {
  const found: string[] = [];
  for await (const workflowId of refundWorkflows(system, orderId)) found.push(workflowId);
  return found;
}

/** The id of the workflow of an order's newest refund, once there is one. */
export const refundWorkflowOf = (system: Servers, orderId: string): Promise<string> =>
  until(`a refund of order ${orderId}`, async () => {
    for await (const workflowId of refundWorkflows(system, orderId)) return workflowId;
    return undefined;
  });

/** The workflow of an order's newest refund, once there is one. */
export const refundHandleOf = async (system: Servers, orderId: string): Promise<WorkflowHandle> =>
  system.client.workflow.getHandle(await refundWorkflowOf(system, orderId));

/** Nothing but Temporal knows which command is of which order, until it is recorded. */
async function* refundWorkflows({ client, sql }: Servers, orderId: string): AsyncGenerator<string> {
  const commands = await sql<{ id: string }[]>`
    select command_id as id from idempotency_key where operation in ('refundOrder', 'cancelOrder') order by command_id desc
  `;
  for (const { id } of commands) {
    const workflowId = refundWorkflowId(orderId, id);
    if (await isThere(client, workflowId)) yield workflowId;
  }
}

/** Whether Temporal has a workflow with this id. */
export async function isThere(client: TestSystem['client'], workflowId: string): Promise<boolean> {
  try {
    await client.workflow.getHandle(workflowId).describe();
    return true;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}
