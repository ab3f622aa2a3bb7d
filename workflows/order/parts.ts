/**
 * Payments of parts: opens them, takes their money once it covers the order, and puts the deadline off for one that is under way.
 * Each has a workflow of its own, which asks its wallet or its provider and tells the order how it stands.
 */
import {
  CancellationScope,
  condition,
  isCancellation,
  proxyActivities,
  proxyLocalActivities,
  setHandler,
} from '@temporalio/workflow';
import type { StepResult } from '../../activities/order.ts';
import type { WakingPaymentsActivities } from '../../activities/payments/wake.ts';
import { REFUSAL_REASONS, type RefusalReason } from '../../domain/order.ts';
import type { PaymentMethod, PaymentState } from '../../domain/payments.ts';
import {
  CAPTURE_NEWS_MS,
  DEFAULT_PAYMENT_EXTENSION_MS,
  LOCAL_ATTEMPT_MS,
  LONGEST_CAPTURE_NEWS_MS,
  PAYMENT_KNOWN_WITHIN_MS,
  WAKING_MS,
} from '../../domain/timeouts.ts';
import { paymentNewsSignal, type AddPaymentCommand, type CommandAnswer } from '../messages.ts';
import { currentOrigin, onBehalfOf } from '../origin.ts';
import { now } from '../time.ts';
import { isDecided } from './decided.ts';
import { refusalByStage } from './refusals.ts';
import { StepLeft, UNTIL_IT_SUCCEEDS } from './retry-and-attention.ts';
import { enter, follow, type OrderState, type PendingPart } from './state.ts';
import { step } from './steps.ts';

/** One attempt. */
const quick = proxyLocalActivities<WakingPaymentsActivities>({
  summary: 'Wake its payments',
  startToCloseTimeout: LOCAL_ATTEMPT_MS,
  retry: { maximumAttempts: 1 },
});

/** More of them, for as long as the schedule of payments takes to find what is not woken. The order must not wait for longer than that. */
const persistent = proxyActivities<WakingPaymentsActivities>({
  ...UNTIL_IT_SUCCEEDS,
  summary: 'Wake its payments',
  scheduleToCloseTimeout: WAKING_MS,
});

/** Wakes the order's payments that have something to do. @param order with whose it is, where the workflow knows that. */
export async function wake(
  { orderId, shopId, buyerId }: { orderId: string; shopId?: string; buyerId?: string },
  paymentId?: string,
): Promise<void> {
  const owner = buyerId === undefined ? undefined : { ...(shopId !== undefined && { shopId }), buyerId };
  const request = { orderId, ...(paymentId !== undefined && { paymentId }), ...(owner && { owner }) };
  for (const { wakePayments } of [quick, persistent]) {
    try {
      return await wakePayments(request);
    } catch (error) {
      if (isCancellation(error)) throw error;
    }
  }
}

/** Hears of the order's payments. What they say only makes it look. */
export function hearOfPayments(state: OrderState): void {
  setHandler(
    paymentNewsSignal,
    ({ paymentId, state: reached }) => {
      state.mayHaveParts = true;
      state.partStates.set(paymentId, reached);
      state.hasNews = true;
      state.newsOrigin = currentOrigin();
      state.show();
    },
    { description: 'Says how a payment stands. Sent by its workflow.' },
  );
}

/** Answers when the payment was refused or is known, and otherwise after some seconds. */
export async function addPayment(state: OrderState, command: AddPaymentCommand): Promise<CommandAnswer> {
  const { paymentId, method } = command;
  const refusal = await new Promise<RefusalReason | null>((answer) => {
    state.parts.push({ ...command, acceptedAt: now(), origin: currentOrigin(), answer });
  });
  if (refusal !== null) return { stage: state.stage, refusal };
  const isKnown = () => (state.partStates.get(paymentId) ?? 'pending') !== 'pending';
  await CancellationScope.nonCancellable(() =>
    condition(() => isKnown() || isDecided(state), PAYMENT_KNOWN_WITHIN_MS, {
      summary: 'Until its caller is answered in any case',
    }),
  );
  return { stage: state.stage, refusal: refusalByPart(method, state.partStates.get(paymentId)) };
}

function refusalByPart(method: PaymentMethod, reached: PaymentState | undefined): RefusalReason | null {
  if (reached !== 'declined') return null;
  return method === 'wallet' ? 'insufficient_funds' : 'payment_declined';
}

/** Opens the payment that was accepted first, unless the order is about to end. */
export async function openPart(state: OrderState): Promise<void> {
  const [part] = state.parts;
  if (!part) return;
  const refusal =
    refusalBeforeOpening(state, part) ?? (await onBehalfOf(part.origin, () => open(state, part)));
  if (refusal !== null) state.partsRefused += 1;
  answerFirstPart(state, refusal);
}

/** Answers those that the order did not live to open. */
export function refuseParts(state: OrderState): void {
  while (state.parts.length > 0) answerFirstPart(state, refusalByStage(state.stage));
}

/** Takes it out of the line. Until then it counts as waiting. */
function answerFirstPart(state: OrderState, refusal: RefusalReason | null): void {
  state.parts.shift()?.answer(refusal);
}

function refusalBeforeOpening(
  { deadline, cancel }: OrderState,
  { acceptedAt }: PendingPart,
): RefusalReason | null {
  if (cancel) return 'order_cancelled';
  return Date.parse(acceptedAt) >= deadline ? 'order_expired' : null;
}

async function open(
  state: OrderState,
  { paymentId, method, amount, acceptedAt }: PendingPart,
): Promise<RefusalReason | null> {
  const { orderId } = state.input;
  const request = {
    orderId,
    commandId: paymentId,
    method,
    ...(amount !== undefined && { amount }),
    at: acceptedAt,
  };
  let result: StepResult;
  try {
    result = await step.openPayment(state.health, request, `Open a payment by ${method}`);
  } catch (error) {
    if (!(error instanceof StepLeft)) throw error;
    // The order is given up. Whether the payment was opened, its release finds out.
    return 'order_cancelled';
  }
  if (result.refusal !== null) {
    if (result.stage !== state.stage) follow(state, result);
    return REFUSAL_REASONS.find((known) => known === result.refusal) ?? 'order_not_payable';
  }
  state.mayHaveParts = true;
  if (!state.partStates.has(paymentId)) state.partStates.set(paymentId, 'pending');
  state.show();
  await wake(state.input, paymentId);
  return null;
}

/**
 * Pays the order with its payments, if they cover it. While their money is taken, neither a cancel nor the deadline acts: the order is
 * `paying` until each is known. One that is refused then leads back to `awaiting_payment`, and those that were captured still count.
 */
export async function settle(state: OrderState): Promise<void> {
  try {
    await untilSettled(state);
  } catch (error) {
    if (!(error instanceof StepLeft)) throw error;
    // The order is given up. Whether it is paid, its release finds out.
    if (state.stage === 'paying') enter(state, 'awaiting_payment');
  }
}

async function untilSettled(state: OrderState): Promise<void> {
  const { orderId } = state.input;
  let pause = CAPTURE_NEWS_MS;
  for (let isAsked = false; ;) {
    state.hasNews = false;
    const result = await step.settle(state.health, { orderId, at: now() }, 'Settle its payments');
    if (result.refusal !== 'capturing') {
      if (result.stage !== state.stage) follow(state, result);
      return;
    }
    if (state.stage === 'awaiting_payment') enter(state, 'paying');
    if (!isAsked) await wake(state.input);
    // Without news in time: they may have been lost together with the workflow of a payment, which is woken again.
    isAsked = await condition(() => state.hasNews, pause, { summary: 'Waits for news of its payments' });
    // A provider may be down for days: then neither the history may grow with each minute, nor may it be asked that often.
    pause = isAsked ? CAPTURE_NEWS_MS : Math.min(2 * pause, LONGEST_CAPTURE_NEWS_MS);
  }
}

/** Puts the deadline off, once, when a payment is under way. Returns whether the order may be paid for longer. */
export async function extendDeadline(state: OrderState): Promise<boolean> {
  const { orderId, paymentExtension = DEFAULT_PAYMENT_EXTENSION_MS } = state.input;
  const extended = state.deadline + paymentExtension;
  // A worker that was down for longer than that puts nothing off.
  if (state.isExtended || extended <= Date.now()) return false;
  state.isExtended = true;
  const request = { orderId, paymentDeadline: new Date(extended).toISOString(), at: now() };
  try {
    const summary = 'Put the deadline off for a payment under way';
    const { paymentDeadline = request.at } = await step.extendDeadline(state.health, request, summary);
    const recorded = Date.parse(paymentDeadline);
    if (recorded <= Date.now()) return false;
    state.deadline = recorded;
    state.windowEnded = false;
    state.show();
    return true;
  } catch (error) {
    if (!(error instanceof StepLeft)) throw error;
    return false;
  }
}
