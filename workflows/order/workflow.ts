/**
 * The life of an order: reserve, wait for payment until the deadline, and end as paid, cancelled, expired or rejected.
 *
 * Commands (pay, cancel, and the Web UI's Cancel) only leave a request; the one line of execution below acts on them, one
 * at a time, so an order never does two things at once. All of it runs in a non-cancellable scope: a cancellation is
 * one more request, and cannot tear a step from its compensation.
 */
import {
  CancellationScope,
  CancelledFailure,
  ParentClosePolicy,
  TemporalFailure,
  allHandlersFinished,
  condition,
  executeChild,
  sleep,
} from '@temporalio/workflow';
import type { StepResult } from '../../activities/order.ts';
import { answerCommands } from './commands.ts';
import { WINDOW_ENDED, type RefusalReason } from '../../domain/order.ts';
import { refundWorkflowId } from '../../domain/workflow-ids.ts';
import { WORKFLOW, type OrderEnd, type OrderInput } from '../messages.ts';
import { details, wanted } from './web-ui-details.ts';
import {
  begin,
  enter,
  now,
  placed,
  settle,
  type CancelRequest,
  type OrderState,
  type PayRequest,
} from './state.ts';
import { answerInterventions } from './interventions.ts';
import type { refund } from '../refund.ts';
import { refusalOf, refuseUntried, toPaymentRefusal } from './refusals.ts';
import { step } from './steps.ts';
import { StepLeft } from './retry-and-attention.ts';

export async function order(input: OrderInput): Promise<OrderEnd> {
  const state = begin(input, details);
  answerCommands(state);
  answerInterventions(state);
  await CancellationScope.nonCancellable(async () => {
    await live(state);
    state.over = true;
    await condition(() => allHandlersFinished() && state.trouble.unwritten === 0);
  });
  // Temporal shows a workflow that did as its Cancel button said as "Canceled".
  if (state.stage === 'cancelled' && state.cancel?.by === 'temporal')
    throw new CancelledFailure('Order cancelled');
  return { stage: state.stage, reason: state.reason };
}

async function live(state: OrderState): Promise<void> {
  await reserve(state);
  if (state.stage === 'awaiting_payment') openWindow(state);
  while (state.stage === 'awaiting_payment') {
    await condition(() => state.payments.length > 0 || state.cancel !== null || state.windowEnded);
    // A payment comes first: it was accepted before the deadline, and before any cancel.
    const [payment] = state.payments;
    const refusal = payment && refusalUntried(state, payment);
    if (payment && refusal) {
      state.payments.shift();
      payment.answer({ stage: state.stage, refusal });
    } else if (payment) await takePayment(state, payment);
    else await giveBack(state);
  }
  for (const { answer } of state.payments.splice(0))
    answer({ stage: state.stage, refusal: refuseUntried(state.stage) });
  if (state.stage === 'paid' && state.cancel) await refundAtOnce(state, state.cancel);
}

async function reserve(state: OrderState): Promise<void> {
  const attempt = new CancellationScope();
  state.interrupt = () => attempt.cancel();
  try {
    const result = await attempt.run(() =>
      step.reserve(state.trouble, placed(state), `Reserve ${wanted(state)}`),
    );
    if (result.paymentDeadline !== undefined) state.deadline = Date.parse(result.paymentDeadline);
    settle(state, result);
  } catch (error) {
    if (state.cancel === null) throw error;
    // Whether an attempt has committed, or still will, is unknown: abandoning makes a late one do nothing, and tells
    // of an earlier one, whose reservation is then given back like any other.
    const { reason, commandId } = state.cancel;
    const abandoned = { ...placed(state), at: now(), reason, commandId };
    settle(
      state,
      await step.abandon(state.trouble, abandoned, 'Cancelled before the reservation was answered'),
    );
  } finally {
    state.interrupt = null;
  }
}

function openWindow(state: OrderState): void {
  const remaining = Math.max(state.deadline - Date.now(), 1);
  void sleep(remaining, { summary: 'Payment window' }).then(() => {
    state.windowEnded = true;
  });
}

/** Why a payment that was accepted is not even tried, if there is a reason. Orders from before 0.4 try each. */
function refusalUntried(
  { input, deadline, cancel }: OrderState,
  { acceptedAt }: PayRequest,
): RefusalReason | null {
  if (input.rules === undefined) return null;
  // The deadline may be earlier than the payment's validator knew: a workflow of this order that somebody terminated had reserved
  // already, with the deadline the caller was given.
  if (Date.parse(acceptedAt) >= deadline) return 'order_expired';
  // Who gives an order up because a payment keeps failing does not wait for those behind it to fail, too.
  return cancel?.by === 'operator' ? 'order_cancelled' : null;
}

async function takePayment(state: OrderState, payment: PayRequest): Promise<void> {
  state.payAttempts += 1;
  enter(state, 'paying');
  const { orderId } = state.input;
  const request = { orderId, commandId: payment.commandId, at: payment.acceptedAt };
  let result: StepResult;
  try {
    result = await step.pay(state.trouble, request, `Take payment ${state.payAttempts}`);
  } catch (error) {
    if (!(error instanceof StepLeft)) throw error;
    // Whether an attempt has committed, or still will, is unknown: declining makes a late one do nothing, and tells of an
    // earlier one, which then counts.
    result = await step.decline(state.trouble, request, `Skip payment ${state.payAttempts}`);
  }
  const isLast = state.payments.length === 1;
  const refusal = refusalOf('pay', result);
  if (refusal !== null && isLast && (state.cancel || state.windowEnded)) await giveBack(state);
  else settle(state, { stage: result.stage, reason: null });
  state.payments.shift();
  payment.answer({ stage: state.stage, refusal: toPaymentRefusal(refusal) });
}

/** Nobody paid: what was reserved goes back, because of a cancel if there is one, else because the window ended. */
async function giveBack(state: OrderState): Promise<void> {
  const { reason, commandId } = state.cancel ?? { reason: WINDOW_ENDED, commandId: null };
  const to = state.cancel ? 'cancelled' : 'expired';
  state.closing = to;
  const request = { orderId: state.input.orderId, to, reason, commandId, at: now() } as const;
  settle(state, await step.release(state.trouble, request, `Give back ${wanted(state)} (${to})`));
}

/** A cancel came while the payment was being taken: the order is paid, so the cancel becomes a refund. */
async function refundAtOnce(state: OrderState, cancel: CancelRequest): Promise<void> {
  enter(state, 'refunding');
  const { orderId, rules } = state.input;
  const { reason, commandId } = cancel;
  if (rules === undefined && (await refundByChild(state, cancel))) {
    settle(state, { stage: 'refunded', reason });
    return;
  }
  const request = { orderId, commandId, reason, restock: true, at: now() };
  settle(state, await step.refund(state.trouble, request, 'Refund and restock'));
}

/**
 * Orders from before 0.4 leave the refund to a workflow of its own. Returns whether that made it: it may have failed or have been
 * terminated, and one that runs already says nothing about how it ends.
 */
async function refundByChild(
  { input, trouble }: OrderState,
  { reason, commandId }: CancelRequest,
): Promise<boolean> {
  const { orderId } = input;
  try {
    await executeChild<typeof refund>(WORKFLOW.refund, {
      workflowId: refundWorkflowId(orderId),
      args: [{ orderId, commandId, reason, restock: true, attentionAfter: trouble.attentionAfter }],
      // A refund that has begun ends, whatever becomes of this workflow.
      parentClosePolicy: ParentClosePolicy.ABANDON,
      staticSummary: 'Cancelled while the payment was being taken',
    });
    return true;
  } catch (error) {
    if (!(error instanceof TemporalFailure)) throw error;
    return false;
  }
}
