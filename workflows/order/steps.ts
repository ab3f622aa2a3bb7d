/** How a workflow runs a step: quickly when all is well, visibly and for ever when it is not. */
import {
  ActivityCancellationType,
  isCancellation,
  proxyActivities,
  proxyLocalActivities,
} from '@temporalio/workflow';
import type { RefundRequest, StepActivities, StepResult } from '../../activities/order.ts';
import { WALLET_FULL } from '../../domain/attention.ts';
import { ACTIVITY_ATTEMPT_MS, LOCAL_ATTEMPT_MS } from '../../domain/timeouts.ts';
import type { Step } from '../../domain/order.ts';
import { refusalOf } from './refusals.ts';
import { raisesMarks, untilItSucceeds, type Trouble } from './retry-and-attention.ts';

// The workflow must not compensate while an attempt may still commit, hence it waits for a cancelled attempt's end.
const cancellationType = ActivityCancellationType.WAIT_CANCELLATION_COMPLETED;

// One attempt.
const quick = proxyLocalActivities<StepActivities>({
  startToCloseTimeout: LOCAL_ATTEMPT_MS,
  retry: { maximumAttempts: 1 },
  cancellationType,
});

// Tried until it succeeds, with attempts and last error in the Web UI. 10 s at most between two tries, so that an order
// moves on soon after PostgreSQL is back.
const persistent = proxyActivities<StepActivities>({
  startToCloseTimeout: ACTIVITY_ATTEMPT_MS,
  retry: { initialInterval: '250ms', backoffCoefficient: 2, maximumInterval: '10s' },
  cancellationType,
});

// For a wallet at its limit, which only its owner can change: growing pauses, and one history event however long it takes.
const patient = proxyActivities<Pick<StepActivities, 'refund'>>({
  startToCloseTimeout: ACTIVITY_ATTEMPT_MS,
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '10m' },
  cancellationType,
});

type RunStep<Request> = (trouble: Trouble, request: Request, summary: string) => Promise<StepResult>;

interface WithOptions<Request> {
  executeWithOptions(options: { summary: string }, args: [Request]): Promise<StepResult>;
}

function quickThenPersistent<Request>(
  name: Step,
  first: WithOptions<Request>,
  fallback: WithOptions<Request>,
): RunStep<Request> {
  return async (trouble, request, summary) => {
    try {
      return await first.executeWithOptions({ summary }, [request]);
    } catch (error) {
      if (isCancellation(error)) throw error;
      const attempt = () => fallback.executeWithOptions({ summary }, [request]);
      return raisesMarks(trouble) ? untilItSucceeds(trouble, name, attempt) : attempt();
    }
  };
}

const refundIfItFits = quickThenPersistent('refund', quick.refund, persistent.refund);

/** A refund that does not fit into the wallet is marked at once, and tried again until there is room. */
async function refund(trouble: Trouble, request: RefundRequest, summary: string): Promise<StepResult> {
  const result = await refundIfItFits(trouble, { ...request, mayWait: true }, summary);
  if (refusalOf('refund', result) !== WALLET_FULL) return result;
  const attempt = () => patient.refund.executeWithOptions({ summary }, [request]);
  return untilItSucceeds(trouble, 'refund', attempt, WALLET_FULL);
}

export const step = {
  reserve: quickThenPersistent('reserve', quick.reserve, persistent.reserve),
  abandon: quickThenPersistent('abandon', quick.abandon, persistent.abandon),
  pay: quickThenPersistent('pay', quick.pay, persistent.pay),
  decline: quickThenPersistent('decline', quick.decline, persistent.decline),
  release: quickThenPersistent('release', quick.release, persistent.release),
  refund,
};
