/** A refund of a paid order: its own short workflow, one for each order. Once begun it ends, also when cancelled. */
import {
  ApplicationFailure,
  CancellationScope,
  allHandlersFinished,
  condition,
  setCurrentDetails,
  setHandler,
} from '@temporalio/workflow';
import type { StepResult } from '../activities/order.ts';
import { untilTrue } from './order/commands.ts';
import type { RefundInput } from '../domain/order.ts';
import { refundQuery, refundUpdate, type RefundAnswer, type RefundEnd } from './messages.ts';
import { withTrouble } from './order/web-ui-details.ts';
import { answerRefundInterventions } from './order/interventions.ts';
import { now } from './order/state.ts';
import { step } from './order/steps.ts';
import { noTrouble, waitsVisibly, type Trouble } from './order/retry-and-attention.ts';

export async function refund(input: RefundInput): Promise<RefundEnd> {
  const { orderId, commandId, restock } = input;
  const units = restock ? 'puts the units back on hand' : 'leaves the units sold';
  const trouble: Trouble = noTrouble(input, () =>
    setCurrentDetails(withTrouble(trouble, `Gives the money of order ${orderId} back and ${units}.`)),
  );
  trouble.show();
  setHandler(refundQuery, () => ({
    stage: 'refunding',
    failing: trouble.failing?.step ?? null,
    attention: trouble.attention,
  }));
  answerRefundInterventions(trouble);
  const known: { result: StepResult | null } = { result: null };
  setHandler(
    refundUpdate,
    async (): Promise<RefundAnswer> => {
      await untilTrue(() => known.result !== null || waitsVisibly(trouble));
      return { stage: known.result?.stage ?? 'refunding' };
    },
    { description: 'The API waits for the refund with it.' },
  );

  const { stage, reason } = await CancellationScope.nonCancellable(async () => {
    known.result = await giveMoneyBack(trouble, input);
    await condition(() => allHandlersFinished() && trouble.unwritten === 0);
    return known.result;
  });
  if (stage !== 'refunded') {
    throw ApplicationFailure.nonRetryable(
      `Order ${orderId} is ${stage}, so there is nothing to refund.`,
      'order_not_refundable',
    );
  }
  setCurrentDetails(`The money of order ${orderId} is back in its wallet.`);
  return { stage, reason, commandId };
}

function giveMoneyBack(
  trouble: Trouble,
  { orderId, commandId, reason, restock }: RefundInput,
): Promise<StepResult> {
  const summary = restock ? 'Refund and restock' : 'Refund';
  return step.refund(trouble, { orderId, commandId, reason, restock, at: now() }, summary);
}
