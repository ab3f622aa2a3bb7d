/** What reconciliation asks of Temporal, and does there. */
import {
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
  type Client,
  type WorkflowExecutionDescription,
} from '@temporalio/client';
import type { OrderWorkflows } from '../activities/reconciliation.ts';
import {
  ORDER_RULES,
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

/** Workflows in a page of the listing: all of them may be asked, and an activity must not be silent for a minute. */
const PAGE = 100;
/** For a worker that has to replay the order first. */
const QUERY_MS = 3_000;
/** A task is at its first attempt when it waits for a worker, at its second when a worker died with it. */
const FAILING_ATTEMPT = 3;

export function orderWorkflowsOf(client: Client, taskQueue: string): OrderWorkflows {
  const { namespace } = client.options;
  const prefix = orderWorkflowId('');

  /** Undefined when it does not run. */
  async function running(workflowId: string): Promise<WorkflowExecutionDescription | undefined> {
    try {
      const description = await client.workflow.getHandle(workflowId).describe();
      return description.status.name === 'RUNNING' ? description : undefined;
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return undefined;
      throw error;
    }
  }

  const isRunning = async (workflowId: string): Promise<boolean> => (await running(workflowId)) !== undefined;

  return {
    isRunning: (orderId) => isRunning(orderWorkflowId(orderId)),

    async isPastReservation(orderId) {
      const workflowId = orderWorkflowId(orderId);
      if (!(await isRunning(workflowId))) return false;
      const ask = async (): Promise<OrderView> => client.workflow.getHandle(workflowId).query(orderQuery);
      try {
        return (await client.withDeadline(Date.now() + QUERY_MS, ask)).stage !== 'reserving';
      } catch {
        // It could not say so in time, or its tasks fail.
        const attempt = (await running(workflowId))?.raw.pendingWorkflowTask?.attempt ?? 0;
        return attempt >= FAILING_ATTEMPT;
      }
    },

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
        rules: ORDER_RULES,
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
