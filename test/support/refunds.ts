/** Finds the workflows of refunds that callers asked for. */
import { WorkflowNotFoundError, type WorkflowHandle } from '@temporalio/client';
import { refundWorkflowId } from '../../domain/workflow-ids.ts';
import type { TestSystem } from './system.ts';
import { until } from './until.ts';

type Servers = Pick<TestSystem, 'client' | 'sql'>;

/** The ids of the workflows of an order's refunds, the newest first. */
export async function listRefundWorkflows({ client, sql }: Servers, orderId: string): Promise<string[]> {
  const commands = await sql<{ id: string }[]>`
    select command_id as id from idempotency_key where operation in ('refundOrder', 'cancelOrder') order by command_id desc
  `;
  const ids = await Promise.all(
    commands.map(async ({ id }) => {
      const workflowId = refundWorkflowId(orderId, id);
      try {
        await client.workflow.getHandle(workflowId).describe();
        return [workflowId];
      } catch (error) {
        if (error instanceof WorkflowNotFoundError) return [];
        throw error;
      }
    }),
  );
  return ids.flat();
}

/** The id of the workflow of an order's newest refund, once there is one. */
export const refundWorkflowOf = (system: Servers, orderId: string): Promise<string> =>
  until(`a refund of order ${orderId}`, async () => (await listRefundWorkflows(system, orderId))[0]);

/** The workflow of an order's newest refund, once there is one. */
export const refundHandleOf = async (system: Servers, orderId: string): Promise<WorkflowHandle> =>
  system.client.workflow.getHandle(await refundWorkflowOf(system, orderId));
