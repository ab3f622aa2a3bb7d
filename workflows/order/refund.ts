/** A refund of a paid order: its own short workflow, one per order. Once begun it ends, even when it is cancelled. */
import {
  ApplicationFailure,
  CancellationScope,
  allHandlersFinished,
  condition,
  setCurrentDetails,
  setHandler,
} from '@temporalio/workflow';
import type { StepResult } from '../../activities/order.ts';
import { ORDER_TOO_OLD, type RefundInput } from '../../domain/order.ts';
import { refundQuery, refundUpdate, type RefundAnswer, type RefundEnd } from '../messages.ts';
import { now } from '../time.ts';
import { untilTrue } from './handlers.ts';
import { answerRefundInterventions } from './interventions.ts';
import { refusalOf } from './refusals.ts';
import { newStepHealth, waitsVisibly, type StepHealth } from './retry-and-attention.ts';
import { step } from './steps.ts';
import { withHealth } from './web-ui-details.ts';

export async function refund(input: RefundInput): Promise<RefundEnd> {
  const { orderId, commandId, restock } = input;
  const units = restock ? 'puts the units back on hand' : 'leaves the units sold';
  const health: StepHealth = newStepHealth(input, () =>
    setCurrentDetails(withHealth(health, `Gives the money of order ${orderId} back and ${units}.`)),
  );
  health.show();
  setHandler(refundQuery, () => ({
    stage: 'refunding',
    failing: health.failing?.step ?? null,
    attention: health.attention,
  }));
  answerRefundInterventions(health);
  const outcome: { result: StepResult | null } = { result: null };
  setHandler(
    refundUpdate,
    async (): Promise<RefundAnswer> => {
      await untilTrue(() => outcome.result !== null || waitsVisibly(health));
      return { stage: outcome.result?.stage ?? 'refunding' };
    },
    { description: 'The API waits for the refund with it.' },
  );

  const result = await CancellationScope.nonCancellable(async () => {
    outcome.result = await refundMoney(health, input);
    await condition(() => allHandlersFinished() && health.unwritten === 0);
    return outcome.result;
  });
  const { stage, reason } = result;
  if (refusalOf('refund', result) === ORDER_TOO_OLD)
    throw ApplicationFailure.nonRetryable(
      `The events of order ${orderId} are no longer kept, so its refund cannot be recorded. The money was not given back.`,
      ORDER_TOO_OLD,
    );
  if (stage !== 'refunded') {
    throw ApplicationFailure.nonRetryable(
      `Order ${orderId} is ${stage}, so there is nothing to refund.`,
      'order_not_refundable',
    );
  }
  setCurrentDetails(`The money of order ${orderId} is back in its wallet.`);
  return { stage, reason, commandId };
}

function refundMoney(
  health: StepHealth,
  { orderId, commandId, reason, restock }: RefundInput,
): Promise<StepResult> {
  const summary = restock ? 'Refund and restock' : 'Refund';
  return step.refund(health, { orderId, commandId, reason, restock, at: now() }, summary);
}
