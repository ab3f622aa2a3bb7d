/** What reconciliation asks of Temporal, and does there. */
import { WorkflowExecutionAlreadyStartedError, WorkflowNotFoundError, type Client } from '@temporalio/client';
import type { OrderWorkflows } from '../activities/reconciliation.ts';
import {
  WORKFLOW,
  orderQuery,
  orderWorkflowId,
  refundQuery,
  refundWorkflowId,
  type OrderEnd,
  type OrderInput,
  type OrderView,
  type RefundView,
} from '../workflows/contract.ts';

/** Workflows in a page of the listing. */
const PAGE = 500;
/** For a worker that has to replay the order first. */
const QUERY_MS = 5_000;

export function orderWorkflowsOf(client: Client, taskQueue: string): OrderWorkflows {
  const { namespace } = client.options;
  const prefix = orderWorkflowId('');

  async function isRunning(workflowId: string): Promise<boolean> {
    try {
      const { status } = await client.workflow.getHandle(workflowId).describe();
      return status.name === 'RUNNING';
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return false;
      throw error;
    }
  }

  return {
    isRunning: (orderId) => isRunning(orderWorkflowId(orderId)),

    async isMarked(workflowId) {
      const handle = client.workflow.getHandle(workflowId);
      if (!(await isRunning(workflowId))) return false;
      const ask = async (): Promise<OrderView | RefundView> =>
        workflowId.startsWith(refundWorkflowId('')) ? handle.query(refundQuery) : handle.query(orderQuery);
      try {
        return (await client.withDeadline(Date.now() + QUERY_MS, ask)).attention !== null;
      } catch {
        // It could not say so in time, or ended just now. The next run asks again.
        return true;
      }
    },

    async listRunning(after) {
      const page = await client.workflowService.listWorkflowExecutions({
        namespace,
        // A namespace may have several deployments, each with a database of its own.
        query: `WorkflowType = '${WORKFLOW.order}' AND ExecutionStatus = 'Running' AND TaskQueue = '${taskQueue}'`,
        pageSize: PAGE,
        nextPageToken: after === null ? null : Buffer.from(after, 'base64'),
      });
      const token = Buffer.from(page.nextPageToken).toString('base64');
      return {
        orders: page.executions.flatMap(({ execution, startTime }) => {
          const workflowId = execution?.workflowId;
          if (!workflowId?.startsWith(prefix) || !startTime) return [];
          const startedAt = new Date(Number(startTime.seconds ?? 0) * 1_000);
          return [{ orderId: workflowId.slice(prefix.length), startedAt }];
        }),
        next: token === '' ? null : token,
      };
    },

    async startAgain({ id, buyerId, walletId, paymentMode, lines, createdAt, paymentDeadline }) {
      const input: OrderInput = {
        orderId: id,
        buyerId,
        walletId,
        paymentMode,
        lines: lines.map(({ sku, quantity }) => ({ sku, quantity })),
        paymentWindow: paymentDeadline.getTime() - createdAt.getTime(),
        deadline: paymentDeadline.toISOString(),
      };
      try {
        await client.workflow.start<(input: OrderInput) => Promise<OrderEnd>>(WORKFLOW.order, {
          workflowId: orderWorkflowId(id),
          taskQueue,
          args: [input],
          workflowIdReusePolicy: 'ALLOW_DUPLICATE',
          staticSummary: 'Started again by reconciliation',
        });
        return true;
      } catch (error) {
        if (error instanceof WorkflowExecutionAlreadyStartedError) return false;
        throw error;
      }
    },
  };
}
