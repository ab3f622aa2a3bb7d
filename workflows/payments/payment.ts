/**
 * The life of a payment: asks its wallet or its provider one thing after the other, and in between sleeps until something changes. What is to be
 * done is decided from the database each time, so a run that is terminated loses nothing, and one that is woken too often does nothing more.
 */
import {
  CancellationScope,
  allHandlersFinished,
  condition,
  continueAsNew,
  getExternalWorkflowHandle,
  proxyActivities,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { RecordActivities } from '../../activities/order.ts';
import type { Advanced, AdvancingActivities } from '../../activities/payments/advance.ts';
import { PROVIDER_ATTEMPT_MS, PROVIDER_SILENT_FOR_MS } from '../../domain/timeouts.ts';
import { orderWorkflowId, payingQueueOf } from '../../domain/workflow-ids.ts';
import {
  newsSignal,
  paymentNewsSignal,
  paymentQuery,
  type PaymentEnd,
  type PaymentInput,
} from '../messages.ts';
import { UNTIL_IT_SUCCEEDS } from '../order/retry-and-attention.ts';
import { currentOrigin, onBehalfOf } from '../origin.ts';
import { now } from '../time.ts';
import { describeLook, describePayment } from './details.ts';
import { alone, begin, isLastLook, pauseOf, type PaymentProgress } from './progress.ts';
import { answerPeople } from './resolve.ts';

/** A history of this many events replays in a moment. */
const LONGEST_HISTORY = 1_000;

const { raiseAttention, clearAttention } = proxyActivities<RecordActivities>(UNTIL_IT_SUCCEEDS);

export async function payment(input: PaymentInput): Promise<PaymentEnd> {
  const progress = begin(input, describePayment);
  setHandler(newsSignal, () => {
    progress.hasNews = true;
    progress.origin = currentOrigin();
  });
  setHandler(paymentQuery, () => ({
    state: progress.state,
    unknownSince: progress.unknownSince,
    attention: progress.attention,
  }));
  answerPeople(progress);
  // A cancel changes nothing: its money is somewhere, and stays to be settled.
  return CancellationScope.nonCancellable(() => settle(progress));
}

async function settle(progress: PaymentProgress): Promise<PaymentEnd> {
  const { paymentId } = progress.input;
  const { advancePayment } = proxyActivities<AdvancingActivities>({
    taskQueue: payingQueueOf(workflowInfo().taskQueue),
    startToCloseTimeout: PROVIDER_ATTEMPT_MS,
    heartbeatTimeout: PROVIDER_SILENT_FOR_MS,
    retry: { initialInterval: '250ms', backoffCoefficient: 2, maximumInterval: '10s' },
  });
  for (;;) {
    progress.hasNews = false;
    const isLast = isLastLook(progress);
    const { origin } = progress;
    const advanced = await onBehalfOf(origin, () =>
      alone(progress, async () => {
        const { isFirst, unknownSince, quietSince } = progress;
        const asked = { isFirst, unknownSince, quietSince, isLastLook: isLast };
        const summary = describeLook(progress);
        const answer = await advancePayment.executeWithOptions({ summary }, [
          { paymentId, at: now(), ...asked },
        ]);
        progress.follow(answer);
        return answer;
      }),
    );
    await onBehalfOf(origin, () => tellOrder(progress, advanced));
    await mark(progress, advanced);
    const isOver = advanced.done && (!advanced.mayAppear || isLast);
    if (isOver && !progress.hasNews && allHandlersFinished()) return { state: advanced.state };
    if (workflowInfo().historyLength > LONGEST_HISTORY && allHandlersFinished()) {
      const { attention, asked } = progress;
      const goesOn = { unknownSince: progress.unknownSince, attention, asked };
      await continueAsNew<typeof payment>({ ...progress.input, goesOn });
    }
    const pause = pauseOf(progress, advanced);
    if (pause > 0)
      await condition(() => progress.hasNews, pause, { summary: 'Until it looks again by itself' });
  }
}

/** Its order waits to hear how it stands. One that is over does not. */
async function tellOrder(progress: PaymentProgress, { tellOrder: waits, state }: Advanced): Promise<void> {
  const { paymentId, orderId } = progress.input;
  if (!waits || progress.told === state) return;
  progress.told = state;
  const order = getExternalWorkflowHandle(orderWorkflowId(orderId));
  // Nobody hears it: the order has just ended, or was terminated. What starts it again looks at its payments first.
  await order.signal(paymentNewsSignal, { paymentId, state }).catch(() => {});
}

/** Asks a person to look once nobody has known for long how it stands, or its wallet is full. */
async function mark(progress: PaymentProgress, { trouble }: Advanced): Promise<void> {
  const { workflowId } = workflowInfo();
  const { orderId } = progress.input;
  const { attention } = progress;
  if (attention !== null && attention.reason !== trouble?.reason) {
    progress.attention = null;
    await clearAttention.executeWithOptions({ summary: 'Nobody has to look any more' }, [
      { workflowId, orderId, at: now() },
    ]);
  }
  if (progress.attention === null && trouble?.needsPerson === true) {
    const { reason, step } = trouble;
    progress.attention = { reason, step, raisedAt: now() };
    await raiseAttention.executeWithOptions({ summary: `Ask a person to look: ${reason}` }, [
      { workflowId, orderId, ...progress.attention },
    ]);
  }
  progress.show();
}
