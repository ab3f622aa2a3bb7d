/** What decisions about findings ask of the workflow of an order: what it knows, to stop it, and to start it again. */
import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { z } from 'zod';
import type { BrokenPromise, OpenOrder } from '../domain/order-workflows.ts';
import type { OrderContents } from '../domain/order.ts';
import type { Stage } from '../domain/stages.ts';
import { orderWorkflowId } from '../domain/workflow-ids.ts';
import { orderQuery, type OrderInput } from '../workflows/messages.ts';
import { askTemporal, askWorkflow } from './ask.ts';
import type { TemporalConnection } from './connection.ts';
import { findLostRefund } from './lost-commands.ts';
import { restartOrder, restartRefund } from './restart.ts';
import { decodeInput, fetchHistory, findNewestRun } from './runs.ts';
import type { Deployment } from './start.ts';

/** What Temporal knows of an order: of its newest run, for as long as its namespace keeps it. */
export interface OrderRun {
  /** What the workflow says; null when it does not answer; undefined when it has ended. */
  stage: Stage | null | undefined;
  /** Null when its input is none of an order. */
  order: { contents: OrderContents; paymentDeadline: string; createdAt: string } | null;
}

export interface OrderDecisions {
  /** Undefined when Temporal knows no workflow of the order. */
  inspectOrder(orderId: string): Promise<OrderRun | undefined>;
  /** Terminates the workflow of an order if it runs. @param why is shown in the Web UI. */
  stopOrder(orderId: string, why: string): Promise<void>;
  /** Starts the workflow of an open order again, with the cancel that the last run had accepted. False when one runs. */
  restartOrder(order: OpenOrder): Promise<boolean>;
  /** Begins a refund again that a workflow promised and did not make. False when there is none, or one runs. */
  restartRefund(promise: BrokenPromise): Promise<boolean>;
}

const inputSchema = z.looseObject({
  orderId: z.string(),
  buyerId: z.string(),
  walletId: z.string(),
  paymentMode: z.string(),
  paymentWindow: z.number(),
  lines: z.array(z.looseObject({ sku: z.string(), quantity: z.number() })).min(1),
});
const orderInput = z.custom<OrderInput>((value) => inputSchema.safeParse(value).success);

export function decisionsOn(
  { client, call }: Pick<TemporalConnection, 'client' | 'call'>,
  deployment: Deployment,
): OrderDecisions {
  return {
    inspectOrder: (orderId) => call(() => inspectOrder(client, orderId)),
    stopOrder: (orderId, why) => call(() => stopOrder(client, orderId, why)),
    restartOrder: (order) => call(() => restartOrder(client, deployment, order)),
    restartRefund: (promise) =>
      call(async () => {
        const lost = await findLostRefund(client, promise);
        return lost !== undefined && restartRefund(client, deployment, lost.refund);
      }),
  };
}

async function inspectOrder(client: Client, orderId: string): Promise<OrderRun | undefined> {
  const newest = await findNewestRun(client, orderWorkflowId(orderId));
  if (!newest) return undefined;
  const { run } = newest;
  const input = orderInput.safeParse(await decodeInput(client, await fetchHistory(client, run)));
  return {
    stage: run.status.name === 'RUNNING' ? await findStage(client, orderId) : undefined,
    order: input.success ? contentsOf(input.data, run.startTime) : null,
  };
}

async function stopOrder(client: Client, orderId: string, why: string): Promise<void> {
  try {
    await askTemporal(client, () => client.workflow.getHandle(orderWorkflowId(orderId)).terminate(why));
  } catch (error) {
    // It has ended, or there was none.
    if (!(error instanceof WorkflowNotFoundError)) throw error;
  }
}

async function findStage(client: Client, orderId: string): Promise<Stage | null> {
  try {
    const handle = client.workflow.getHandle(orderWorkflowId(orderId));
    return (await askWorkflow(client, () => handle.query(orderQuery))).stage;
  } catch {
    // No worker answers in time, or its tasks fail.
    return null;
  }
}

function contentsOf(
  {
    shopId,
    buyerId,
    walletId,
    lines,
    paymentMode,
    adjustments,
    expectedTotal,
    paymentWindow,
    deadline,
  }: OrderInput,
  startedAt: Date,
): NonNullable<OrderRun['order']> {
  return {
    contents: {
      ...(shopId !== undefined && { shopId }),
      buyerId,
      walletId,
      lines,
      paymentMode,
      ...(adjustments !== undefined && { adjustments }),
      ...(expectedTotal !== undefined && { expectedTotal }),
    },
    paymentDeadline: deadline ?? new Date(startedAt.getTime() + paymentWindow).toISOString(),
    createdAt: startedAt.toISOString(),
  };
}
