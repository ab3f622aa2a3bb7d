/** Starts the workflow of an order or of a refund again after it ended too early. */
import { randomUUID } from 'node:crypto';
import {
  WorkflowExecutionAlreadyStartedError,
  WorkflowUpdateStage,
  type Client,
  type WorkflowHandle,
} from '@temporalio/client';
import type { OpenOrder } from '../domain/order-workflows.ts';
import type { RefundInput } from '../domain/order.ts';
import type { OrderOwner } from '../domain/search-attributes.ts';
import { orderWorkflowId } from '../domain/workflow-ids.ts';
import { WORKFLOW, cancelUpdate } from '../workflows/messages.ts';
import { askTemporal, askWorkflow } from './ask.ts';
import { findNewestRun } from './runs.ts';
import { findLostCancel, type LostCancel } from './lost-commands.ts';
import { startSearchable } from './search-attributes.ts';
import {
  orderStart,
  refundStart,
  toNewOrder,
  type Deployment,
  type OrderWorkflow,
  type RefundWorkflow,
} from './start.ts';

/** Resolves to false when the order's workflow runs by now. */
export async function restartOrder(
  client: Client,
  deployment: Deployment,
  order: OpenOrder,
): Promise<boolean> {
  // Searched for before the new run is the newest one.
  const cancel = await findLostCancel(client, order.id);
  const policy = {
    ...deployment,
    whileRunning: 'FAIL',
    // The order is open, so its workflow ended too early, however it ended.
    afterEnd: 'ALLOW_DUPLICATE',
    summary: 'Started again by reconciliation',
  } as const;
  return unlessStarted(async () => {
    const handle = await askTemporal(client, () =>
      startSearchable((searchable) =>
        client.workflow.start<OrderWorkflow>(
          WORKFLOW.order,
          orderStart(toNewOrder(order), { ...policy, ...searchable }),
        ),
      ),
    );
    if (cancel) await resendCancel(client, handle, cancel);
  });
}

/** Resolves to false when the refund's workflow runs by now, or has ended well. */
export async function restartRefund(
  client: Client,
  deployment: Deployment,
  refund: RefundInput,
): Promise<boolean> {
  const owner = await findOwner(client, refund.orderId);
  const policy = {
    ...deployment,
    whileRunning: 'FAIL',
    // A refund that ended well was made.
    afterEnd: 'ALLOW_DUPLICATE_FAILED_ONLY',
    summary: 'Started again by reconciliation',
  } as const;
  return unlessStarted(() =>
    askTemporal(client, () =>
      startSearchable((searchable) =>
        client.workflow.start<RefundWorkflow>(
          WORKFLOW.refund,
          refundStart(refund, owner, { ...policy, ...searchable }),
        ),
      ),
    ),
  );
}

/** Whose an order is, as far as its workflow is still known and was started with search attributes. */
async function findOwner(client: Client, orderId: string): Promise<OrderOwner | undefined> {
  const newest = await findNewestRun(client, orderWorkflowId(orderId));
  const attributes = newest?.run.typedSearchAttributes;
  const shopId = attributes?.get({ name: 'HoldfastShop', type: 'KEYWORD' });
  const buyerId = attributes?.get({ name: 'HoldfastBuyer', type: 'KEYWORD' });
  return shopId === undefined || buyerId === undefined ? undefined : { shopId, buyerId };
}

/** Sends a new run the cancel that the run before it had accepted. */
async function resendCancel(
  client: Client,
  handle: WorkflowHandle,
  { commandId, reason }: LostCancel,
): Promise<void> {
  const command = { commandId: commandId ?? randomUUID(), reason };
  try {
    await askWorkflow(client, () =>
      handle.startUpdate(cancelUpdate, {
        updateId: command.commandId,
        args: [command],
        waitForStage: WorkflowUpdateStage.ACCEPTED,
      }),
    );
  } catch {
    // No worker took it in time. The server keeps this request, which only lacks the caller's reason.
    await askTemporal(client, () => handle.cancel());
  }
}

/** Whether the start went through; false when a workflow that forbids it exists by now. */
async function unlessStarted(start: () => Promise<unknown>): Promise<boolean> {
  try {
    await start();
    return true;
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return false;
    throw error;
  }
}
