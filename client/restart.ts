/** Starts the workflow of an order or of a refund again after it ended too early. */
import { randomUUID } from 'node:crypto';
import {
  WorkflowExecutionAlreadyStartedError,
  WorkflowUpdateStage,
  type Client,
  type WorkflowHandle,
} from '@temporalio/client';
import type { OrderWorkflows } from '../domain/order-workflows.ts';
import { WORKFLOW, cancelUpdate } from '../workflows/messages.ts';
import { QUERY_MS, type AskTemporal } from './deadlines.ts';
import type { LostCancel, LostCommands } from './lost-commands.ts';
import { orderStart, refundStart, toNewOrder, type OrderWorkflow, type RefundWorkflow } from './start.ts';

export function restartsOf(
  client: Client,
  {
    taskQueue,
    ask,
    findLostCancel,
  }: { taskQueue: string; ask: AskTemporal } & Pick<LostCommands, 'findLostCancel'>,
): Pick<OrderWorkflows, 'restartOrder' | 'restartRefund'> {
  return {
    async restartOrder(order) {
      // Asked for before the new run is the newest one.
      const cancel = await findLostCancel(order.id);
      const options = orderStart(toNewOrder(order), {
        taskQueue,
        whileRunning: 'FAIL',
        // The order is open, so its workflow ended too early, however it ended.
        afterEnd: 'ALLOW_DUPLICATE',
        summary: 'Started again by reconciliation',
      });
      return unlessStarted(async () => {
        const handle = await ask(() => client.workflow.start<OrderWorkflow>(WORKFLOW.order, options));
        if (cancel) await resendCancel(handle, cancel);
      });
    },

    restartRefund(refund) {
      const options = refundStart(refund, {
        taskQueue,
        whileRunning: 'FAIL',
        // A refund that ended well was made.
        afterEnd: 'ALLOW_DUPLICATE_FAILED_ONLY',
        summary: 'Begun again by reconciliation',
      });
      return unlessStarted(() => ask(() => client.workflow.start<RefundWorkflow>(WORKFLOW.refund, options)));
    },
  };

  /** Sends a new run the cancel that the run before it had accepted. */
  async function resendCancel(handle: WorkflowHandle, { commandId, reason }: LostCancel): Promise<void> {
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
      // No worker took it in time. The server keeps this request, which only lacks the caller's reason.
      await ask(() => handle.cancel());
    }
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
