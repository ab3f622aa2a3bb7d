/** Wakes the workflow of a payment, and starts it when it does not run. */
import type { Client, WorkflowStartOptions } from '@temporalio/client';
import { paymentWorkflowId } from '../domain/workflow-ids.ts';
import { ownerPairs, type OrderOwner } from '../domain/search-attributes.ts';
import { WORKFLOW, newsSignal, type PaymentEnd, type PaymentInput } from '../workflows/messages.ts';
import { startSearchable } from './search-attributes.ts';
import { searchedBy, withRunbook, type Deployment } from './start.ts';

export type PaymentWorkflow = (input: PaymentInput) => Promise<PaymentEnd>;

/** A payment that has something to do. */
export interface DuePayment {
  paymentId: string;
  orderId: string;
  /** Absent when who wakes it does not know whose its order is: then its workflow, if it starts, is found by its id alone. */
  owner?: OrderOwner;
}

const paymentStart = (
  { paymentId, orderId, owner }: DuePayment,
  { taskQueue, isSearchable, ...deployment }: Deployment & { isSearchable: boolean },
) =>
  ({
    workflowId: paymentWorkflowId(paymentId),
    taskQueue,
    args: [{ paymentId, orderId, ...withRunbook(deployment) }],
    staticSummary: `A payment of order ${orderId}`,
    ...searchedBy({ isSearchable }, owner === undefined ? [] : ownerPairs(owner)),
    // A payment that was settled may have something to do again: a refund, or money that came after all.
    workflowIdReusePolicy: 'ALLOW_DUPLICATE',
    workflowIdConflictPolicy: 'USE_EXISTING',
  }) satisfies WorkflowStartOptions<PaymentWorkflow>;

/** May be called any number of times. */
export async function wakePayment(
  client: Client,
  deployment: Deployment,
  payment: DuePayment,
): Promise<void> {
  await startSearchable((policy) =>
    client.workflow.signalWithStart<PaymentWorkflow>(WORKFLOW.payment, {
      ...paymentStart(payment, { ...deployment, ...policy }),
      signal: newsSignal,
      signalArgs: [],
    }),
  );
}

/** Starts the workflow of a payment, and leaves it alone when it runs. */
export async function startPayment(
  client: Client,
  deployment: Deployment,
  payment: DuePayment,
): Promise<void> {
  await startSearchable((policy) =>
    client.workflow.start<PaymentWorkflow>(
      WORKFLOW.payment,
      paymentStart(payment, { ...deployment, ...policy }),
    ),
  );
}
