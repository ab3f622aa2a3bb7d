/** What reconciliation asks of Temporal, and does there. */
import { randomUUID } from 'node:crypto';
import {
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
  WorkflowUpdateStage,
  type Client,
  type WorkflowExecutionDescription,
  type WorkflowHandle,
} from '@temporalio/client';
import type { OrderWorkflows } from '../domain/order-workflows.ts';
import { orderWorkflowId, refundWorkflowId } from '../domain/workflow-ids.ts';
import type { RefundInput } from '../domain/order.ts';
import {
  ORDER_RULES,
  WORKFLOW,
  cancelUpdate,
  orderQuery,
  refundQuery,
  type OrderEnd,
  type OrderInput,
  type OrderView,
  type RefundEnd,
  type RefundView,
} from '../workflows/messages.ts';
import { BROKEN_STATUS_QUERY, promisesOf, type LostCancel } from './promises.ts';

/** Workflows in a page of the listing: all of them may be asked, and an activity must not be silent for a minute. */
const PAGE = 100;
/** For a worker that has to replay the order first. */
const QUERY_MS = 3_000;
/** For Temporal itself. Without a deadline, a server that has gone silent is waited for without end. */
const ANSWER_MS = 5_000;
/** A task is at its first attempt when it waits for a worker, at its second when a worker died with it. */
const FAILING_ATTEMPT = 3;

export function orderWorkflowsOf(client: Client, taskQueue: string): OrderWorkflows {
  const { namespace } = client.options;
  const within = <T>(ask: () => Promise<T>): Promise<T> => client.withDeadline(Date.now() + ANSWER_MS, ask);
  const { findLostCancel, findLostRefund } = promisesOf(client, within);

  /** Undefined when it does not run. */
  async function running(workflowId: string): Promise<WorkflowExecutionDescription | undefined> {
    try {
      const description = await within(() => client.workflow.getHandle(workflowId).describe());
      return description.status.name === 'RUNNING' ? description : undefined;
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return undefined;
      throw error;
    }
  }

  const isRunning = async (workflowId: string): Promise<boolean> => (await running(workflowId)) !== undefined;

  /** A page of what the listing knows of this deployment: a namespace may have several, each with a database of its own. */
  async function list(query: string, after: string | null) {
    const { executions, nextPageToken } = await within(() =>
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

  /** Tells a run that was started again of the cancel that the run before had accepted. */
  async function cancelAgain(handle: WorkflowHandle, { commandId, reason }: LostCancel): Promise<void> {
    const command = { commandId: commandId ?? randomUUID(), reason };
    try {
      await client.withDeadline(Date.now() + QUERY_MS, () =>
        handle.startUpdate(cancelUpdate, {
          updateId: command.commandId,
          args: [command],
          waitForStage: WorkflowUpdateStage.ACCEPTED,
        }),
      );
    } catch {
      // No worker has taken it in time. This one is kept by the server; it only has no words of the caller.
      await within(() => handle.cancel());
    }
  }

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
      const ask = async (): Promise<OrderView | RefundView> =>
        workflowId.startsWith(refundWorkflowId('')) ? handle.query(refundQuery) : handle.query(orderQuery);
      try {
        if (!(await isRunning(workflowId))) return false;
        return (await client.withDeadline(Date.now() + QUERY_MS, ask)).attention !== null;
      } catch {
        // Nobody could say so in time, or it ended just now. The next run asks again.
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
          const orderId = idAfter(orderWorkflowId(''), workflowId);
          return orderId === undefined ? [] : [{ orderId, startedAt }];
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
      const ids = found.flatMap(
        ({ workflowId }) =>
          idAfter(orderWorkflowId(''), workflowId) ?? idAfter(refundWorkflowId(''), workflowId) ?? [],
      );
      return { orderIds: [...new Set(ids)], next };
    },

    findLostRefund,

    async refundAgain(refund) {
      try {
        await within(() =>
          client.workflow.start<(input: RefundInput) => Promise<RefundEnd>>(WORKFLOW.refund, {
            workflowId: refundWorkflowId(refund.orderId),
            taskQueue,
            args: [refund],
            workflowIdReusePolicy: 'ALLOW_DUPLICATE_FAILED_ONLY',
            staticSummary: 'Begun again by reconciliation',
          }),
        );
        return true;
      } catch (error) {
        if (error instanceof WorkflowExecutionAlreadyStartedError) return false;
        throw error;
      }
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
      // Asked for before the new run is the newest one.
      const cancel = await findLostCancel(id);
      try {
        const handle = await within(() =>
          client.workflow.start<(input: OrderInput) => Promise<OrderEnd>>(WORKFLOW.order, {
            workflowId: orderWorkflowId(id),
            taskQueue,
            args: [input],
            workflowIdReusePolicy: 'ALLOW_DUPLICATE',
            staticSummary: 'Started again by reconciliation',
          }),
        );
        if (cancel) await cancelAgain(handle, cancel);
        return true;
      } catch (error) {
        if (error instanceof WorkflowExecutionAlreadyStartedError) return false;
        throw error;
      }
    },
  };
}

/** What follows a prefix; undefined when something else begins with it. */
const idAfter = (prefix: string, workflowId: string): string | undefined =>
  workflowId.startsWith(prefix) ? workflowId.slice(prefix.length) : undefined;
