/** How a workflow runs a step: quickly when all is well, visibly and without end when it is not. */
import {
  ActivityCancellationType,
  isCancellation,
  proxyActivities,
  proxyLocalActivities,
} from '@temporalio/workflow';
import type { RefundRequest, StepActivities, StepResult } from '../../activities/order.ts';
import { WALLET_FULL } from '../../domain/attention.ts';
import type { Step } from '../../domain/order.ts';
import { ACTIVITY_ATTEMPT_MS, LOCAL_ATTEMPT_MS } from '../../domain/timeouts.ts';
import { toStepFailure } from '../failures.ts';
import { refusalOf } from './refusals.ts';
import { UNTIL_IT_SUCCEEDS, raisesMarks, untilItSucceeds, type StepHealth } from './retry-and-attention.ts';

// The workflow must not compensate while an attempt may still commit, so it waits until a cancelled attempt has ended.
const cancellationType = ActivityCancellationType.WAIT_CANCELLATION_COMPLETED;

/** One attempt. */
const quick = proxyLocalActivities<StepActivities>({
  startToCloseTimeout: LOCAL_ATTEMPT_MS,
  retry: { maximumAttempts: 1 },
  cancellationType,
});

/** Attempts until one succeeds, with their number and the last error in the Web UI. */
const persistent = proxyActivities<StepActivities>({
  ...UNTIL_IT_SUCCEEDS,
  cancellationType,
});

/** The same with growing pauses, for a wallet at its limit: only its owner can change that. Costs one history event, however long it takes. */
const patient = proxyActivities<Pick<StepActivities, 'refund'>>({
  startToCloseTimeout: ACTIVITY_ATTEMPT_MS,
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '10m' },
  cancellationType,
});

type RunStep<Request> = (health: StepHealth, request: Request, summary: string) => Promise<StepResult>;

interface WithOptions<Request> {
  executeWithOptions(options: { summary: string }, args: [Request]): Promise<StepResult>;
}

function quickThenPersistent<Request>(
  name: Step,
  first: WithOptions<Request>,
  fallback: WithOptions<Request>,
): RunStep<Request> {
  return async (health, request, summary) => {
    try {
      return await first.executeWithOptions({ summary }, [request]);
    } catch (error) {
      if (isCancellation(error)) throw error;
      const attempt = () => fallback.executeWithOptions({ summary }, [request]);
      return raisesMarks(health)
        ? untilItSucceeds(health, name, attempt, { failure: toStepFailure(error) })
        : attempt();
    }
  };
}

const refundIfItFits = quickThenPersistent('refund', quick.refund, persistent.refund);

/** A refund that does not fit into the wallet is marked at once, and tried again until there is room. */
async function refund(health: StepHealth, request: RefundRequest, summary: string): Promise<StepResult> {
  const result = await refundIfItFits(health, { ...request, mayWait: true }, summary);
  if (refusalOf('refund', result) !== WALLET_FULL) return result;
  const attempt = () => patient.refund.executeWithOptions({ summary }, [request]);
  return untilItSucceeds(health, 'refund', attempt, { known: WALLET_FULL });
}

/** Runs each step until it succeeds. The keys are the activity types. */
export const step = {
  reserve: quickThenPersistent('reserve', quick.reserve, persistent.reserve),
  abandon: quickThenPersistent('abandon', quick.abandon, persistent.abandon),
  pay: quickThenPersistent('pay', quick.pay, persistent.pay),
  decline: quickThenPersistent('decline', quick.decline, persistent.decline),
  openPayment: quickThenPersistent('openPayment', quick.openPayment, persistent.openPayment),
  settle: quickThenPersistent('settle', quick.settle, persistent.settle),
  extendDeadline: quickThenPersistent('extendDeadline', quick.extendDeadline, persistent.extendDeadline),
  release: quickThenPersistent('release', quick.release, persistent.release),
  refund,
} satisfies Record<Step, RunStep<never>>;
