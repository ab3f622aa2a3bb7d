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
import { WORKFLOW, cancelUpdate } from '../workflows/messages.ts';
import { askTemporal, askWorkflow } from './ask.ts';
import { findLostCancel, type LostCancel } from './lost-commands.ts';
import { orderStart, refundStart, toNewOrder, type OrderWorkflow, type RefundWorkflow } from './start.ts';

/** Resolves to false when the order's workflow runs by now. */
export async function restartOrder(client: Client, taskQueue: string, order: OpenOrder): Promise<boolean> {
  // Searched for before the new run is the newest one.
  const cancel = await findLostCancel(client, order.id);
  const options = orderStart(toNewOrder(order), {
    taskQueue,
    whileRunning: 'FAIL',
    // The order is open, so its workflow ended too early, however it ended.
    afterEnd: 'ALLOW_DUPLICATE',
    summary: 'Started again by reconciliation',
  });
  return unlessStarted(async () => {
    const handle = await askTemporal(client, () =>
      client.workflow.start<OrderWorkflow>(WORKFLOW.order, options),
    );
    if (cancel) await resendCancel(client, handle, cancel);
  });
}

/** Resolves to false when the refund's workflow runs by now, or has ended well. */
export function restartRefund(client: Client, taskQueue: string, refund: RefundInput): Promise<boolean> {
  const options = refundStart(refund, {
    taskQueue,
    whileRunning: 'FAIL',
    // A refund that ended well was made.
    afterEnd: 'ALLOW_DUPLICATE_FAILED_ONLY',
    summary: 'Started again by reconciliation',
  });
  return unlessStarted(() =>
    askTemporal(client, () => client.workflow.start<RefundWorkflow>(WORKFLOW.refund, options)),
  );
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
