/** What an order's workflow knows while it runs, and how it moves from stage to stage. */
import { ApplicationFailure, log, setCurrentDetails, workflowInfo } from '@temporalio/workflow';
import type { PlacedOrder, StepResult } from '../../activities/order.ts';
import type { Money, RefusalReason } from '../../domain/order.ts';
import type { PaymentState } from '../../domain/payments.ts';
import { isResting, mayMove, type Stage } from '../../domain/stages.ts';
import {
  PAYMENTS_SINCE_RULES,
  type AddPaymentCommand,
  type CommandAnswer,
  type OrderInput,
} from '../messages.ts';
import { currentOrigin, type Origin } from '../origin.ts';
import { openSearch, type Searched } from '../search.ts';
import { newStepHealth, type StepHealth } from './retry-and-attention.ts';

/** A payment that was accepted and is not answered yet. */
export interface PendingPayment {
  commandId: string;
  acceptedAt: string;
  /** Of the request that brought it. */
  origin: Origin;
  answer: (answer: CommandAnswer) => void;
}

/** A payment of a part that was accepted and is not opened yet. */
export interface PendingPart extends AddPaymentCommand {
  acceptedAt: string;
  /** Of the request that brought it. */
  origin: Origin;
  /** Says that it was opened, or why not. */
  answer: (refusal: RefusalReason | null) => void;
}

/** A later deadline that a person asked for and that is not recorded yet. */
export interface PendingExtension {
  /** The update that brought it. */
  updateId: string;
  /** ISO 8601. */
  until: string;
  reason: string;
  /** Of the request that brought it. */
  origin: Origin;
  /** Says whether it is recorded. It is not once the order is over. */
  answer: (isRecorded: boolean) => void;
}

export interface CancelRequest {
  by: 'command' | 'temporal' | 'operator';
  commandId: string | null;
  reason: string;
  /** Of the request that brought it. */
  origin: Origin;
}

export interface OrderState {
  readonly input: OrderInput;
  /** Milliseconds since 1970, as the workflow counts them. */
  readonly startedAt: number;
  deadline: number;

  // What has arrived: left by the handlers and the timer, acted on by the order's one line of execution.
  /** In the order they were accepted. The first is being taken, or is next. */
  readonly payments: PendingPayment[];
  /** The same for payments of parts. */
  readonly parts: PendingPart[];
  /** Of a later deadline. There is never a second. */
  readonly extensions: PendingExtension[];
  /** Whether a payment of a part has said how it stands since the order last looked. */
  hasNews: boolean;
  /** Of what brought the last news. */
  newsOrigin: Origin;
  /** The cancel that was accepted, if any; there is never a second. */
  cancel: CancelRequest | null;
  windowEnded: boolean;
  /** Whether it was tried to put the deadline off for a payment under way, which happens once. */
  isExtended: boolean;

  // What the line of execution has done.
  stage: Stage;
  reason: string | null;
  /** What it came to, once it is reserved. Not known of orders that 0.9 reserved. */
  total: Money | null;
  payAttempts: number;
  /** Whether there may be payments of parts. */
  mayHaveParts: boolean;
  /** How each payment of a part stands, as far as this workflow was told. */
  readonly partStates: Map<string, PaymentState>;
  partsRefused: number;
  /**
   * `open` while the order's end is undecided; `cancelling` or `expiring` while what it holds is released, so that nobody can pay it;
   * `over` when only answers and notes are left.
   */
  phase: 'open' | 'cancelling' | 'expiring' | 'over';
  /** Ends the wait for a reservation that is not answered; null when none is under way. */
  stopReserving: (() => void) | null;

  readonly health: StepHealth;
  /** Shows the operator how the order stands now, and what it is found by. */
  readonly show: () => void;
}

/** @param describe what the Web UI shows of a state. */
export function begin(input: OrderInput, describe: (state: OrderState) => string): OrderState {
  // Not the time of this task: when a worker dies after it has reserved, the task runs again later, and would compute a later
  // deadline than the recorded one that the caller was given.
  const startedAt = workflowInfo().startTime.getTime();
  // The workflow before this one may have opened payments, and what they said since then was said to nobody.
  const mayHaveParts = input.deadline !== undefined && (input.rules ?? 0) >= PAYMENTS_SINCE_RULES;
  const search = openSearch();
  const state: OrderState = {
    input,
    startedAt,
    deadline: input.deadline === undefined ? startedAt + input.paymentWindow : Date.parse(input.deadline),
    payments: input.payAtOnce === true ? [paymentAtOnce(input.orderId, startedAt)] : [],
    parts: [],
    extensions: [],
    hasNews: mayHaveParts,
    newsOrigin: currentOrigin(),
    cancel: null,
    windowEnded: false,
    isExtended: false,
    stage: 'reserving',
    reason: null,
    total: null,
    payAttempts: 0,
    mayHaveParts,
    partStates: new Map(),
    partsRefused: 0,
    phase: 'open',
    stopReserving: null,
    health: newStepHealth(input, () => state.show()),
    show: () => {
      setCurrentDetails(describe(state));
      search(searchedBy(state));
    },
  };
  state.show();
  return state;
}

/**
 * The passing stages of an order whose steps succeed last some milliseconds, which nobody searches for: they are worth an event only while a
 * step fails.
 */
function searchedBy({ stage, deadline, health: { failing, attention } }: OrderState): Searched {
  const isShown = failing !== null || isResting(stage);
  return {
    HoldfastStage: isShown ? stage : 'awaiting_payment',
    HoldfastDeadline: new Date(deadline).toISOString(),
    HoldfastFailingStep: failing?.step ?? null,
    HoldfastAttention: attention?.reason ?? null,
  };
}

/** A payment that came with the order. The caller waits for it with the reservation, so nobody waits for its own answer. */
const paymentAtOnce = (commandId: string, startedAt: number): PendingPayment => ({
  commandId,
  acceptedAt: new Date(startedAt).toISOString(),
  origin: currentOrigin(),
  answer: () => {},
});

/** Whether the payment that came with the order is not decided yet. */
export const isPayingAtOnce = ({ input, payments }: OrderState): boolean =>
  input.payAtOnce === true && payments[0]?.commandId === input.orderId;

/** Whether the order may still be paid or cancelled. */
export const isOpen = ({ stage, phase }: OrderState): boolean =>
  phase === 'open' && (stage === 'reserving' || stage === 'awaiting_payment' || stage === 'paying');

/**
 * Goes to a stage that the workflow itself decides on.
 * @throws {ApplicationFailure} when the table of an order's stages has no such move.
 */
export function enter(state: OrderState, stage: Stage): void {
  if (!mayMove(state.stage, stage)) {
    throw ApplicationFailure.nonRetryable(
      `An order does not go from ${state.stage} to ${stage}.`,
      'move_refused',
    );
  }
  state.stage = stage;
  state.show();
}

/** Goes to the stage that the database recorded. Its own constraints keep its moves within the table. */
export function follow(state: OrderState, { stage, reason }: Pick<StepResult, 'stage' | 'reason'>): void {
  // Only a workflow that was reset to before something it had already done finds the database ahead of it.
  if (!mayMove(state.stage, stage))
    log.warn('The database is ahead of this workflow', { from: state.stage, to: stage });
  state.stage = stage;
  state.reason = reason;
  state.show();
}

/** The order as the reserve step records it. */
export function toPlacedOrder({ input, startedAt, deadline }: OrderState): PlacedOrder {
  const { orderId, shopId, buyerId, walletId, paymentMode, lines, adjustments, expectedTotal } = input;
  return {
    orderId,
    ...(shopId !== undefined && { shopId }),
    buyerId,
    walletId,
    paymentMode,
    lines,
    ...(adjustments !== undefined && { adjustments }),
    ...(expectedTotal !== undefined && { expectedTotal }),
    paymentDeadline: new Date(deadline).toISOString(),
    at: new Date(startedAt).toISOString(),
  };
}
