/**
 * How an order hears commands. A validator refuses what the order's stage forbids, and then nothing is written to its
 * history; a handler leaves the request in the order's state, and answers when the order's one line of execution has
 * acted on it.
 */
import { ApplicationFailure, CancellationScope, condition, setHandler } from '@temporalio/workflow';
import type { ByHandRefusal } from '../../domain/attention.ts';
import { CANCELLED_IN_TEMPORAL, PAYMENT_LIMITS, type RefusalReason } from '../../domain/order.ts';
import {
  cancelUpdate,
  orderQuery,
  payUpdate,
  placeUpdate,
  type CancelCommand,
  type CommandAnswer,
  type PayCommand,
  type PlaceAnswer,
} from '../messages.ts';
import { now, type CancelRequest, type OrderState } from './state.ts';
import { TEXT, isText, trimText } from '../../domain/text.ts';
import { waitsVisibly } from './retry-and-attention.ts';

/** Sets every handler. To be called before anything is awaited: a command that comes with the start finds no handler else. */
export function answerCommands(state: OrderState): void {
  setHandler(placeUpdate, () => place(state), { description: 'The API waits for the reservation with it.' });
  setHandler(payUpdate, (command) => pay(state, command), {
    description: 'Pays the order. Sent by the API.',
    validator: (command: PayCommand) => {
      refuseMalformed(command);
      refuseUnlessPayable(state, command);
    },
  });
  setHandler(cancelUpdate, (command) => cancel(state, command), {
    description: 'Cancels the order. Sent by the API; by hand, request cancellation or give the order up.',
    validator: (command: CancelCommand) => {
      refuseMalformed(command);
      if (!isText(command.reason, TEXT.reason))
        refuse('malformed', `A cancel needs a reason of 1 to ${TEXT.reason.max} characters.`);
      refuseUnlessCancellable(state);
    },
  });
  setHandler(orderQuery, () => ({
    stage: state.stage,
    deadline: new Date(state.deadline).toISOString(),
    payAttempts: state.payAttempts,
    failing: state.trouble.failing?.step ?? null,
    attention: state.trouble.attention,
  }));
  CancellationScope.current().cancelRequested.catch(() => {
    requestCancel(state, { by: 'temporal', commandId: null, reason: CANCELLED_IN_TEMPORAL });
  });
}

/** A handler's wait must outlive the Web UI's Cancel, or its caller would hear of that instead of the order's end. */
export const untilTrue = (fact: () => boolean): Promise<void> =>
  CancellationScope.nonCancellable(() => condition(fact));

/** Whether a command can be answered that ends the order: a refund may have to wait for room in the wallet for months. */
export const isDecided = (state: OrderState): boolean => state.over || waitsVisibly(state.trouble);

async function place(state: OrderState): Promise<PlaceAnswer> {
  await untilTrue(() => isDecided(state) || (state.stage !== 'reserving' && state.cancel === null));
  return { stage: state.stage, reason: state.reason };
}

function pay(state: OrderState, { commandId }: PayCommand): Promise<CommandAnswer> {
  return new Promise((answer) => {
    state.payments.push({ commandId, acceptedAt: now(), answer });
  });
}

async function cancel(state: OrderState, { commandId, reason }: CancelCommand): Promise<CommandAnswer> {
  requestCancel(state, { by: 'command', commandId, reason: trimText(reason, TEXT.reason) });
  await untilTrue(() => isDecided(state));
  const done = state.stage === 'cancelled' || state.stage === 'refunding' || state.stage === 'refunded';
  return { stage: state.stage, refusal: done ? null : 'order_not_cancellable' };
}

/** Leaves the request to cancel, unless there is one. A reservation that is not answered yet is not waited for. */
export function requestCancel(state: OrderState, request: CancelRequest): void {
  state.cancel ??= request;
  state.interrupt?.();
}

/** Any but the nil UUID, which marks a step that has no command: PostgreSQL refuses it as a payment's. */
const UUID = /^(?=.*[1-9a-f])[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

/** The Web UI's form sends what somebody typed. What PostgreSQL cannot keep would be tried again for ever. */
function refuseMalformed(command: Partial<Record<'commandId', unknown>> | null | undefined): void {
  const commandId = command?.commandId;
  if (typeof commandId !== 'string' || !UUID.test(commandId))
    refuse('malformed', 'A command needs a UUID as its `commandId`.');
}

function refuseUnlessPayable(state: OrderState, { funded }: PayCommand): void {
  refuseWhenClosed(state);
  // Whatever is under way: a payment that waits in line must not carry a later one past the deadline.
  if (isOpen(state) && isDue(state)) refuseExpired(state);
  // One that comes too early waits. After a reset a workflow hears of all its commands together with its start, and one that
  // it refuses then is lost: Temporal answers its retries with an internal error for ever.
  if (!isOpen(state)) refuse('order_not_payable', `This order is ${state.stage}.`);
  const { payAttempts, payments } = state;
  const limit = funded === true ? PAYMENT_LIMITS.refusedAtAll : PAYMENT_LIMITS.refusedByWorkflow;
  if (payAttempts >= limit)
    refuse('too_many_refused_payments', `${payAttempts} payments of this order were refused.`);
  if (payments.length >= PAYMENT_LIMITS.waiting)
    refuse('order_busy', `${payments.length} payments of this order wait for their turn.`);
}

function refuseUnlessCancellable(state: OrderState): void {
  refuseWhenClosed(state);
  if (!isOpen(state)) refuse('order_not_cancellable', `This order is ${state.stage}.`);
}

/** Whether it may still be paid or cancelled. */
export const isOpen = ({ stage }: OrderState): boolean =>
  stage === 'reserving' || stage === 'awaiting_payment' || stage === 'paying';

function refuseWhenClosed(state: OrderState): void {
  if (state.cancel) refuse('order_cancelled', 'This order has been cancelled.');
  const due = state.stage === 'awaiting_payment' && isDue(state);
  if (due || state.closing === 'expired' || state.stage === 'expired') refuseExpired(state);
}

const isDue = ({ deadline }: OrderState): boolean => Date.now() >= deadline;

function refuseExpired({ deadline }: OrderState): never {
  refuse('order_expired', `This order was to be paid by ${new Date(deadline).toISOString()}.`);
}

export function refuse(reason: RefusalReason | ByHandRefusal, message: string): never {
  throw ApplicationFailure.create({ type: reason, message, nonRetryable: true });
}
