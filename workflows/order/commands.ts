/**
 * How an order takes commands. A validator refuses what the order's stage forbids, and then nothing is written to its history; a
 * handler leaves the request in the order's state, and answers when the order's one line of execution has acted on it.
 */
import { CancellationScope, setHandler } from '@temporalio/workflow';
import { CANCELLED_IN_TEMPORAL, PAYMENT_LIMITS } from '../../domain/order.ts';
import { PAYMENT_METHODS } from '../../domain/payments.ts';
import { TEXT, isText, trimText } from '../../domain/text.ts';
import {
  addPaymentUpdate,
  cancelUpdate,
  orderQuery,
  payUpdate,
  placeUpdate,
  type AddPaymentCommand,
  type CancelCommand,
  type CommandAnswer,
  type PayCommand,
  type PlaceAnswer,
} from '../messages.ts';
import { currentOrigin } from '../origin.ts';
import { now } from '../time.ts';
import { isDecided } from './decided.ts';
import { refuse, untilTrue } from './handlers.ts';
import { addPayment, hearOfPayments } from './parts.ts';
import { isOpen, isPayingAtOnce, type CancelRequest, type OrderState } from './state.ts';

/** Sets every handler. Call it before anything is awaited: a command that arrives with the start would find no handler. */
export function answerCommands(state: OrderState): void {
  setHandler(placeUpdate, () => place(state), { description: 'The API waits for the reservation with it.' });
  setHandler(payUpdate, (command) => pay(state, command), {
    description: 'Pays the order. Sent by the API.',
    validator: (command: PayCommand) => {
      refuseMalformed(command);
      refuseUnlessPayable(state, command);
    },
  });
  setHandler(addPaymentUpdate, (command) => addPayment(state, command), {
    description: 'Opens a payment of a part. Sent by the API, which records what it is paid with.',
    validator: (command: AddPaymentCommand) => {
      refuseMalformedPart(command);
      refuseUnlessPayableInParts(state);
    },
  });
  hearOfPayments(state);
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
    failing: state.health.failing?.step ?? null,
    attention: state.health.attention,
  }));
  CancellationScope.current().cancelRequested.catch(() => {
    const reason = CANCELLED_IN_TEMPORAL;
    requestCancel(state, { by: 'temporal', commandId: null, reason, origin: currentOrigin() });
  });
}

async function place(state: OrderState): Promise<PlaceAnswer> {
  await untilTrue(
    () =>
      isDecided(state) || (state.stage !== 'reserving' && state.cancel === null && !isPayingAtOnce(state)),
  );
  return { stage: state.stage, reason: state.reason };
}

function pay(state: OrderState, { commandId }: PayCommand): Promise<CommandAnswer> {
  return new Promise((answer) => {
    state.payments.push({ commandId, acceptedAt: now(), origin: currentOrigin(), answer });
  });
}

async function cancel(state: OrderState, { commandId, reason }: CancelCommand): Promise<CommandAnswer> {
  const origin = currentOrigin();
  requestCancel(state, { by: 'command', commandId, reason: trimText(reason, TEXT.reason), origin });
  await untilTrue(() => isDecided(state));
  const isDone = state.stage === 'cancelled' || state.stage === 'refunding' || state.stage === 'refunded';
  return { stage: state.stage, refusal: isDone ? null : 'order_not_cancellable' };
}

/** Leaves the request to cancel, unless there is one already. Does not wait for a reservation that is not answered yet. */
export function requestCancel(state: OrderState, request: CancelRequest): void {
  state.cancel ??= request;
  state.stopReserving?.();
}

/** Any but the nil UUID, which marks a step that has no command: PostgreSQL refuses it as a payment's. */
const UUID = /^(?=.*[1-9a-f])[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

/** The Web UI's form sends whatever was typed. What PostgreSQL cannot keep would be tried again forever. */
function refuseMalformed(command: Partial<Record<'commandId', unknown>> | null | undefined): void {
  const commandId = command?.commandId;
  if (typeof commandId !== 'string' || !UUID.test(commandId))
    refuse('malformed', 'A command needs a UUID as its `commandId`.');
}

function refuseUnlessPayable(state: OrderState, { funded }: PayCommand): void {
  refuseWhenClosed(state);
  // Whatever is under way: a payment that waits in line must not carry a later one past the deadline.
  if (isOpen(state) && isDue(state)) refuseExpired(state);
  // A payment that arrives too early waits. After a reset a workflow gets all its commands together with its start, and a command that
  // it refuses then is lost: Temporal answers its retries with an internal error forever.
  if (!isOpen(state)) refuse('order_not_payable', `This order is ${state.stage}.`);
  const { payAttempts, payments } = state;
  const limit = funded === true ? PAYMENT_LIMITS.refusedAtAll : PAYMENT_LIMITS.refusedByWorkflow;
  if (payAttempts >= limit)
    refuse('too_many_refused_payments', `${payAttempts} payments of this order were refused.`);
  if (payments.length >= PAYMENT_LIMITS.waiting)
    refuse('order_busy', `${payments.length} payments of this order wait for their turn.`);
}

function refuseMalformedPart(
  command: Partial<Record<keyof AddPaymentCommand, unknown>> | null | undefined,
): void {
  refuseMalformed({ commandId: command?.paymentId });
  const { method, amount } = command ?? {};
  if (!PAYMENT_METHODS.some((known) => known === method))
    refuse('malformed', `A payment needs a \`method\`: ${PAYMENT_METHODS.join(' or ')}.`);
  if (amount !== undefined && !(Number.isSafeInteger(amount) && Number(amount) > 0))
    refuse('malformed', 'The `amount` of a payment is a whole number of minor units above zero.');
}

function refuseUnlessPayableInParts(state: OrderState): void {
  refuseWhenClosed(state);
  if (isOpen(state) && isDue(state)) refuseExpired(state);
  if (!isOpen(state)) refuse('order_not_payable', `This order is ${state.stage}.`);
  const { parts, partsRefused } = state;
  if (partsRefused >= PAYMENT_LIMITS.refusedByWorkflow)
    refuse('too_many_refused_payments', `${partsRefused} payments of this order were refused.`);
  if (parts.length >= PAYMENT_LIMITS.waiting)
    refuse('order_busy', `${parts.length} payments of this order wait for their turn.`);
}

function refuseUnlessCancellable(state: OrderState): void {
  refuseWhenClosed(state);
  if (!isOpen(state)) refuse('order_not_cancellable', `This order is ${state.stage}.`);
}

function refuseWhenClosed(state: OrderState): void {
  if (state.cancel) refuse('order_cancelled', 'This order has been cancelled.');
  const hasExpired = state.stage === 'awaiting_payment' && isDue(state);
  if (hasExpired || state.phase === 'expiring' || state.stage === 'expired') refuseExpired(state);
}

const isDue = ({ deadline }: OrderState): boolean => Date.now() >= deadline;

function refuseExpired({ deadline }: OrderState): never {
  refuse('order_expired', `This order was to be paid by ${new Date(deadline).toISOString()}.`);
}
