/** Wakes the workflow of a payment, and starts it when it does not run. */
import type { Client, WorkflowStartOptions } from '@temporalio/client';
import { paymentWorkflowId } from '../domain/workflow-ids.ts';
import { WORKFLOW, newsSignal, type PaymentEnd, type PaymentInput } from '../workflows/messages.ts';

export type PaymentWorkflow = (input: PaymentInput) => Promise<PaymentEnd>;

const paymentStart = (payment: PaymentInput, taskQueue: string) =>
  ({
    workflowId: paymentWorkflowId(payment.paymentId),
    taskQueue,
    args: [payment],
    staticSummary: `A payment of order ${payment.orderId}`,
    // A payment that was settled may have something to do again: a refund, or money that came after all.
    workflowIdReusePolicy: 'ALLOW_DUPLICATE',
    workflowIdConflictPolicy: 'USE_EXISTING',
  }) satisfies WorkflowStartOptions<PaymentWorkflow>;

/** May be called any number of times. @param taskQueue of the deployment. */
export async function wakePayment(client: Client, taskQueue: string, payment: PaymentInput): Promise<void> {
  await client.workflow.signalWithStart<PaymentWorkflow>(WORKFLOW.payment, {
    ...paymentStart(payment, taskQueue),
    signal: newsSignal,
    signalArgs: [],
  });
}

/** Starts the workflow of a payment, and leaves it alone when it runs. */
export async function startPayment(client: Client, taskQueue: string, payment: PaymentInput): Promise<void> {
  await client.workflow.start<PaymentWorkflow>(WORKFLOW.payment, paymentStart(payment, taskQueue));
}
