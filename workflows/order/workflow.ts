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
import { WINDOW_ENDED, type RefusalReason } from '../../domain/order.ts';
import { refundWorkflowId } from '../../domain/workflow-ids.ts';
import { WORKFLOW, type OrderEnd, type OrderInput } from '../messages.ts';
import { onBehalfOf } from '../origin.ts';
import { now } from '../time.ts';
import { answerCommands } from './commands.ts';
import { answerInterventions } from './interventions.ts';
import type { refund } from './refund.ts';
import { answerExtensions, moveDeadline, putOff, refuseExtensions } from './put-off.ts';
import { extendDeadline, openPart, refuseParts, settle, wake } from './parts.ts';
import { refusalByStage, refusalOf, toPaymentRefusal } from './refusals.ts';
import { StepLeft } from './retry-and-attention.ts';
import {
  begin,
  enter,
  follow,
  isPayingAtOnce,
  toPlacedOrder,
  type CancelRequest,
  type OrderState,
  type PendingPayment,
} from './state.ts';
import { step } from './steps.ts';
import { describeContents, describeOrder } from './web-ui-details.ts';

export async function order(input: OrderInput): Promise<OrderEnd> {
  const state = begin(input, describeOrder);
  answerCommands(state);
  answerInterventions(state);
  answerExtensions(state);
  await CancellationScope.nonCancellable(async () => {
    await live(state);
    state.phase = 'over';
    await condition(() => allHandlersFinished() && state.health.unwritten === 0);
  });
  // Temporal shows a workflow that did what its Cancel button asked as "Canceled".
  if (state.stage === 'cancelled' && state.cancel?.by === 'temporal')
    throw new CancelledFailure('Order cancelled');
  return { stage: state.stage, reason: state.reason };
}

async function live(state: OrderState): Promise<void> {
  await reserve(state);
  if (state.stage === 'awaiting_payment' && isPayingAtOnce(state)) await payAtOnce(state);
  if (state.stage === 'awaiting_payment') openWindow(state);
  while (state.stage === 'awaiting_payment') {
    await condition(() => state.payments.length > 0 || hasPartsToDo(state) || isToBeChanged(state));
    // A payment comes first: it was accepted before the deadline, and before any cancel.
    const [payment] = state.payments;
    const refusal = payment && refusalBeforeTry(state, payment);
    if (refusal) answerFirstPayment(state, refusal);
    else if (payment) await onBehalfOf(payment.origin, () => takePayment(state, payment));
    else if (state.parts.length > 0) await openPart(state);
    else if (isToBePutOff(state)) await extendWindow(state);
    else if (state.hasNews && !state.cancel) await onBehalfOf(state.newsOrigin, () => settle(state));
    else await onBehalfOf(state.cancel?.origin, () => close(state));
  }
  while (state.payments.length > 0) answerFirstPayment(state, refusalByStage(state.stage));
  refuseParts(state);
  refuseExtensions(state);
  const { cancel } = state;
  if (state.stage === 'paid' && cancel) await onBehalfOf(cancel.origin, () => refundAtOnce(state, cancel));
}

async function reserve(state: OrderState): Promise<void> {
  const attempt = new CancellationScope();
  state.stopReserving = () => attempt.cancel();
  try {
    const result = await attempt.run(() =>
      step.reserve(state.health, toPlacedOrder(state), `Reserve ${describeContents(state)}`),
    );
    if (result.paymentDeadline !== undefined) state.deadline = Date.parse(result.paymentDeadline);
    state.total = result.total ?? null;
    follow(state, result);
  } catch (error) {
    if (state.cancel === null) throw error;
    // An attempt may have committed, or still may. Cancelling the reservation makes a late attempt do nothing, and reveals an
    // earlier one, whose reservation is then released like any other.
    const { reason, commandId } = state.cancel;
    const cancelled = { ...toPlacedOrder(state), at: now(), reason, commandId };
    follow(
      state,
      await step.abandon(state.health, cancelled, 'Cancelled before the reservation was answered'),
    );
  } finally {
    state.stopReserving = null;
  }
}

function openWindow(state: OrderState): void {
  const { deadline } = state;
  const remaining = Math.max(deadline - Date.now(), 1);
  void sleep(remaining, { summary: 'Payment window' }).then(() => {
    // A deadline that was put off has a timer of its own.
    if (state.deadline === deadline) state.windowEnded = true;
  });
}

async function extendWindow(state: OrderState): Promise<void> {
  if (await putOff(state)) openWindow(state);
}

/** In the task that reserved it, before its window opens: an order that is paid needs no timer. */
async function payAtOnce(state: OrderState): Promise<void> {
  const [payment] = state.payments;
  if (!payment) return;
  // A cancel that came while the order was being reserved has nothing to refund yet.
  const refusal = state.cancel ? 'order_cancelled' : refusalBeforeTry(state, payment);
  if (refusal) answerFirstPayment(state, refusal);
  else await takePayment(state, payment);
}

/** Whether an unpaid order is to end, unless a payment that was accepted before is made. */
const isToBeClosed = (state: OrderState): boolean =>
  state.cancel !== null || (state.windowEnded && !isToBePutOff(state));

/** A later deadline was accepted before the deadline, and before any cancel. */
const isToBePutOff = ({ cancel, extensions }: OrderState): boolean =>
  cancel === null && extensions.length > 0;

const isToBeChanged = (state: OrderState): boolean => isToBePutOff(state) || isToBeClosed(state);

/** Why an accepted payment is not even tried, if there is a reason. Orders from before 0.4 try every payment. */
function refusalBeforeTry(
  { input, deadline, cancel }: OrderState,
  { acceptedAt }: PendingPayment,
): RefusalReason | null {
  if (input.rules === undefined) return null;
  // The deadline may be earlier than the payment's validator knew: an earlier workflow of this order, since terminated, had already
  // reserved with the deadline the caller was given.
  if (Date.parse(acceptedAt) >= deadline) return 'order_expired';
  // An operator who gives an order up because a payment keeps failing does not wait for the payments behind it to fail, too.
  return cancel?.by === 'operator' ? 'order_cancelled' : null;
}

async function takePayment(state: OrderState, { commandId, acceptedAt }: PendingPayment): Promise<void> {
  state.payAttempts += 1;
  enter(state, 'paying');
  const request = { orderId: state.input.orderId, commandId, at: acceptedAt };
  let result: StepResult;
  try {
    result = await step.pay(state.health, request, `Take payment ${state.payAttempts}`);
  } catch (error) {
    if (!(error instanceof StepLeft)) throw error;
    // An attempt may have committed, or still may. Skipping the payment makes a late attempt do nothing, and reveals an earlier
    // one, which then counts.
    result = await step.decline(state.health, request, `Skip payment ${state.payAttempts}`);
  }
  const refusal = refusalOf('pay', result);
  const isLastChance = state.payments.length === 1 && isToBeClosed(state);
  // The last payment is answered after the release, so that its caller learns how the order ended.
  if (refusal !== null && isLastChance) await close(state);
  else follow(state, { stage: result.stage, reason: null });
  answerFirstPayment(state, toPaymentRefusal(refusal));
}

/** Takes the first payment out of the line. Until then it counts as waiting. */
function answerFirstPayment(state: OrderState, refusal: RefusalReason | null): void {
  state.payments.shift()?.answer({ stage: state.stage, refusal });
}

const hasPartsToDo = ({ parts, hasNews }: OrderState): boolean => parts.length > 0 || hasNews;

/** Ends an unpaid order, unless its payments pay it in this moment, or may still do. */
async function close(state: OrderState): Promise<void> {
  if (!state.cancel && state.mayHaveParts) {
    // The news of a payment may have been lost.
    await settle(state);
    if (state.stage !== 'awaiting_payment') return;
    if (!state.cancel && (await extendDeadline(state))) return openWindow(state);
  }
  await releaseOrder(state);
}

/** Nobody paid: releases what was reserved, because of a cancel if there is one, and otherwise because the window ended. */
async function releaseOrder(state: OrderState): Promise<void> {
  const { reason, commandId } = state.cancel ?? { reason: WINDOW_ENDED, commandId: null };
  const to = state.cancel ? 'cancelled' : 'expired';
  state.phase = state.cancel ? 'cancelling' : 'expiring';
  const request = { orderId: state.input.orderId, to, reason, commandId, at: now() } as const;
  const result = await step.release(state.health, request, `Give back ${describeContents(state)} (${to})`);
  if (result.refusal === 'put_off' && result.paymentDeadline !== undefined) {
    // It was reset to before its deadline was put off.
    state.phase = 'open';
    moveDeadline(state, Date.parse(result.paymentDeadline));
    state.windowEnded = false;
    return openWindow(state);
  }
  if (result.refusal === 'capturing') {
    // It was reset to before its payments, and does not know that their money is being taken.
    state.phase = 'open';
    state.hasNews = true;
    if (result.stage !== state.stage) follow(state, result);
    return;
  }
  follow(state, result);
  if (result.wakes === true) await wake(state.input);
}

/** A cancel came while the payment was being taken: the order is paid, so the cancel becomes a refund. */
async function refundAtOnce(state: OrderState, cancel: CancelRequest): Promise<void> {
  enter(state, 'refunding');
  const { orderId, rules } = state.input;
  const { reason, commandId } = cancel;
  if (rules === undefined && (await refundByChild(state, cancel))) {
    follow(state, { stage: 'refunded', reason });
    return;
  }
  const request = { orderId, commandId, reason, restock: true, at: now() };
  const result = await step.refund(state.health, request, 'Refund and restock');
  follow(state, result);
  if (result.wakes === true) await wake(state.input);
}

/**
 * Orders from before 0.4 leave the refund to a workflow of its own. Returns whether that made it: it may have failed or been
 * terminated, and a refund workflow that was already running says nothing about how it ends.
 */
async function refundByChild(
  { input, health }: OrderState,
  { reason, commandId }: CancelRequest,
): Promise<boolean> {
  const { orderId } = input;
  try {
    await executeChild<typeof refund>(WORKFLOW.refund, {
      workflowId: refundWorkflowId(orderId, null),
      args: [{ orderId, commandId, reason, restock: true, attentionAfter: health.attentionAfter }],
      // A refund that has begun ends, whatever happens to this workflow.
      parentClosePolicy: ParentClosePolicy.ABANDON,
      staticSummary: 'Cancelled while the payment was being taken',
    });
    return true;
  } catch (error) {
    if (!(error instanceof TemporalFailure)) throw error;
    return false;
  }
}
