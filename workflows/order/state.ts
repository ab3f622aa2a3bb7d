/** What an order's workflow knows while it runs, and how it moves from stage to stage. */
import { ApplicationFailure, log, setCurrentDetails, workflowInfo } from '@temporalio/workflow';
import type { PlacedOrder, StepResult } from '../../activities/order.ts';
import type { CommandAnswer, OrderInput } from '../messages.ts';
import { mayMove, type Stage } from '../../domain/stages.ts';
import { noTrouble, type Trouble } from './retry-and-attention.ts';

export interface PayRequest {
  commandId: string;
  acceptedAt: string;
  answer: (answer: CommandAnswer) => void;
}

export interface CancelRequest {
  by: 'command' | 'temporal' | 'operator';
  commandId: string | null;
  reason: string;
}

export interface OrderState {
  readonly input: OrderInput;
  /** Milliseconds since 1970, as the workflow counts them. */
  readonly startedAt: number;
  deadline: number;
  stage: Stage;
  reason: string | null;
  payAttempts: number;
  /** Accepted and not yet answered, in that order. The first is being taken, or is next. */
  readonly payments: PayRequest[];
  /** The cancel that was accepted, if any; there is never a second. */
  cancel: CancelRequest | null;
  windowEnded: boolean;
  /** Set once it is decided that nobody pays any more, while the giving back goes on. */
  closing: 'cancelled' | 'expired' | null;
  /** Ends the wait for a reservation that is not answered; null when none is under way. */
  interrupt: (() => void) | null;
  /** Nothing more will happen but answers. */
  over: boolean;
  readonly trouble: Trouble;
  /** Shows the operator how the order stands now. */
  readonly show: () => void;
}

/** @param details what the Web UI shows of a state. */
export function begin(input: OrderInput, details: (state: OrderState) => string): OrderState {
  // Not the time of this task: when a worker dies after it has reserved, the task runs again later, and would count another
  // deadline than the one that is recorded and was told.
  const startedAt = workflowInfo().startTime.getTime();
  const state: OrderState = {
    input,
    startedAt,
    deadline: input.deadline === undefined ? startedAt + input.paymentWindow : Date.parse(input.deadline),
    stage: 'reserving',
    reason: null,
    payAttempts: 0,
    payments: [],
    cancel: null,
    windowEnded: false,
    closing: null,
    interrupt: null,
    over: false,
    trouble: noTrouble(input, () => state.show()),
    show: () => setCurrentDetails(details(state)),
  };
  state.show();
  return state;
}

/** The workflow's time, in ISO 8601. */
export const now = (): string => new Date().toISOString();

/**
 * Goes to a stage that the workflow itself decides on.
 * @throws {ApplicationFailure} when the table of an order's life has no such move.
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

/** Takes over what the database recorded. Its own constraints hold its path to the table. */
export function settle(state: OrderState, { stage, reason }: Pick<StepResult, 'stage' | 'reason'>): void {
  // Only a workflow that was reset to before something that it had already done finds the database ahead of it.
  if (!mayMove(state.stage, stage))
    log.warn('The database is ahead of this workflow', { from: state.stage, to: stage });
  state.stage = stage;
  state.reason = reason;
  state.show();
}

export function placed({ input, startedAt, deadline }: OrderState): PlacedOrder {
  const { orderId, buyerId, walletId, paymentMode, lines } = input;
  return {
    orderId,
    buyerId,
    walletId,
    paymentMode,
    lines,
    paymentDeadline: new Date(deadline).toISOString(),
    at: new Date(startedAt).toISOString(),
  };
}
