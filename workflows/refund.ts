/** A refund of a paid order: its own short workflow, one for each order. Once begun it ends, also when cancelled. */
import { ApplicationFailure, CancellationScope, setCurrentDetails } from '@temporalio/workflow';
import type { RefundEnd, RefundInput } from './contract.ts';
import { now } from './order-state.ts';
import { step } from './steps.ts';

export async function refund(input: RefundInput): Promise<RefundEnd> {
  const { orderId, commandId, reason, restock } = input;
  const units = restock ? 'puts the units back on hand' : 'leaves the units sold';
  setCurrentDetails(`Gives the money of order ${orderId} back and ${units}.`);
  const summary = restock ? 'Refund and restock' : 'Refund';
  const result = await CancellationScope.nonCancellable(() =>
    step.refund({ orderId, commandId, reason, restock, at: now() }, summary),
  );
  if (result.stage !== 'refunded') {
    throw ApplicationFailure.nonRetryable(
      `Order ${orderId} is ${result.stage}, so there is nothing to refund.`,
      'order_not_refundable',
    );
  }
  setCurrentDetails(`The money of order ${orderId} is back in its wallet.`);
  return { stage: result.stage, reason: result.reason, commandId };
}
