/** What rules and reconciliation ask Temporal about the workflows of orders. */
import { WorkflowNotFoundError, type Client, type WorkflowExecutionDescription } from '@temporalio/client';
import type { BrokenPromise, OrderWorkflows } from '../domain/order-workflows.ts';
import { isPaymentWorkflowId, orderWorkflowId, readWorkflowId } from '../domain/workflow-ids.ts';
import {
  WORKFLOW,
  orderQuery,
  paymentQuery,
  refundQuery,
  type OrderView,
  type PaymentView,
  type RefundView,
} from '../workflows/messages.ts';
import { askTemporal, askWorkflow } from './ask.ts';
import { findLostRefund } from './lost-commands.ts';
import { restartOrder, restartRefund } from './restart.ts';
import { BROKEN_STATUS_QUERY } from './runs.ts';

/** Workflows in a page of a listing: a caller may query each of them, and an activity must not be silent for a minute. */
const PAGE = 100;
/** A task is at its first attempt when it waits for a worker, at its second when a worker died with it. */
const FAILING_ATTEMPT = 3;

/** Implements the port for the workflows of one task queue. @param runbook its address, for what is started again. */
export function orderWorkflowsOf(client: Client, taskQueue: string, runbook?: string): OrderWorkflows {
  const deployment = { taskQueue, runbook };
  const { namespace } = client.options;

  /** The open run; undefined when there is none. */
  async function findRunning(workflowId: string): Promise<WorkflowExecutionDescription | undefined> {
    try {
      const description = await askTemporal(client, () => client.workflow.getHandle(workflowId).describe());
      return description.status.name === 'RUNNING' ? description : undefined;
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return undefined;
      throw error;
    }
  }

  const isRunning = async (workflowId: string): Promise<boolean> =>
    (await findRunning(workflowId)) !== undefined;

  /** A page of this deployment's workflows. A namespace may have several deployments, each with its own database. */
  async function list(query: string, after: string | null) {
    const { executions, nextPageToken } = await askTemporal(client, () =>
      client.workflowService.listWorkflowExecutions({
        namespace,
        query: `${query} AND TaskQueue = '${taskQueue}'`,
        pageSize: PAGE,
        nextPageToken: after === null ? null : Buffer.from(after, 'base64'),
      }),
    );
    const token = Buffer.from(nextPageToken).toString('base64');
    return {
      found: executions.flatMap(({ execution, startTime }) => {
        const workflowId = execution?.workflowId;
        if (!workflowId || !startTime) return [];
        return [{ workflowId, startedAt: new Date(Number(startTime.seconds ?? 0) * 1_000) }];
      }),
      next: token === '' ? null : token,
    };
  }

  return {
    isRunning: (orderId) => isRunning(orderWorkflowId(orderId)),

    async isPastReservation(orderId) {
      const workflowId = orderWorkflowId(orderId);
      if (!(await isRunning(workflowId))) return false;
      const query = async (): Promise<OrderView> => client.workflow.getHandle(workflowId).query(orderQuery);
      try {
        return (await askWorkflow(client, query)).stage !== 'reserving';
      } catch {
        // No answer in time, or its tasks fail.
        const attempt = (await findRunning(workflowId))?.raw.pendingWorkflowTask?.attempt ?? 0;
        return attempt >= FAILING_ATTEMPT;
      }
    },

    async isMarked(workflowId) {
      const handle = client.workflow.getHandle(workflowId);
      const query = async (): Promise<OrderView | RefundView | PaymentView> => {
        if (isPaymentWorkflowId(workflowId)) return handle.query(paymentQuery);
        return readWorkflowId(workflowId)?.kind === 'refund'
          ? handle.query(refundQuery)
          : handle.query(orderQuery);
      };
      try {
        if (!(await isRunning(workflowId))) return false;
        return (await askWorkflow(client, query)).attention !== null;
      } catch {
        // No answer in time, or it has just ended. The next run asks again.
        return true;
      }
    },

    async listRunning(after) {
      const { found, next } = await list(
        `WorkflowType = '${WORKFLOW.order}' AND ExecutionStatus = 'Running'`,
        after,
      );
      return {
        orders: found.flatMap(({ workflowId, startedAt }) => {
          const subject = readWorkflowId(workflowId);
          return subject?.kind === 'order' ? [{ orderId: subject.orderId, startedAt }] : [];
        }),
        next,
      };
    },

    async listBroken(after) {
      const types = `('${WORKFLOW.order}', '${WORKFLOW.refund}')`;
      const { found, next } = await list(
        `WorkflowType IN ${types} AND ExecutionStatus IN ${BROKEN_STATUS_QUERY}`,
        after,
      );
      const promises = new Map<string, BrokenPromise>();
      for (const { workflowId } of found) {
        const subject = readWorkflowId(workflowId);
        if (!subject) continue;
        const { orderId, commandId } = subject;
        promises.set(`${orderId} ${commandId}`, { orderId, commandId });
      }
      return { promises: [...promises.values()], next };
    },

    findLostRefund: (promise) => findLostRefund(client, promise),
    restartOrder: (order) => restartOrder(client, deployment, order),
    restartRefund: (refund) => restartRefund(client, deployment, refund),
  };
}
