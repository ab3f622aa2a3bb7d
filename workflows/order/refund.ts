/** A refund of a paid order, or of a part of it: its own short workflow. Once begun it ends, even when it is cancelled. */
import {
  ApplicationFailure,
  CancellationScope,
  allHandlersFinished,
  condition,
  setCurrentDetails,
  setHandler,
} from '@temporalio/workflow';
import type { StepResult } from '../../activities/order.ts';
import type { RefundInput } from '../../domain/order.ts';
import { summarizeRefund } from '../../domain/refund-summary.ts';
import { refundQuery, refundUpdate, type RefundAnswer, type RefundEnd } from '../messages.ts';
import { now } from '../time.ts';
import { untilTrue } from './handlers.ts';
import { answerRefundInterventions } from './interventions.ts';
import { describeRefund, describeRefunded, explainRefusedRefund } from './refund-details.ts';
import { wake } from './parts.ts';
import { refusalOf } from './refusals.ts';
import { newStepHealth, waitsVisibly, type StepHealth } from './retry-and-attention.ts';
import { step } from './steps.ts';
import { openSearch } from '../search.ts';

export async function refund(input: RefundInput): Promise<RefundEnd> {
  const search = openSearch();
  const health: StepHealth = newStepHealth(input, () => {
    setCurrentDetails(describeRefund(input, health));
    const { failing, attention } = health;
    search({ HoldfastFailingStep: failing?.step ?? null, HoldfastAttention: attention?.reason ?? null });
  });
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
    if (outcome.result.wakes === true) await wake(input);
    await condition(() => allHandlersFinished() && health.unwritten === 0);
    return outcome.result;
  });
  const { stage, reason } = result;
  const refusal = refusalOf('refund', result);
  if (refusal !== null)
    throw ApplicationFailure.nonRetryable(explainRefusedRefund(input, stage, refusal), refusal);
  search({ HoldfastStage: stage });
  setCurrentDetails(describeRefunded(input, stage));
  return { stage, reason, commandId: input.commandId };
}

function refundMoney(health: StepHealth, input: RefundInput): Promise<StepResult> {
  const { orderId, commandId, reason, amount, lines, restock } = input;
  const part = { ...(amount !== undefined && { amount }), ...(lines !== undefined && { lines }), restock };
  return step.refund(health, { orderId, commandId, reason, ...part, at: now() }, summarizeRefund(input));
}
