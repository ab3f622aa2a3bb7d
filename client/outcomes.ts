/** The outcomes of commands to workflows, as their senders get them. */
import { ApplicationFailure, WorkflowUpdateFailedError } from '@temporalio/client';
import type { ByHandRefusal } from '../domain/attention.ts';
import { REFUSAL_REASONS, type RefusalReason } from '../domain/order.ts';
import type { Stage } from '../domain/stages.ts';
import type { CommandAnswer } from '../workflows/messages.ts';
import { TemporalUnavailableError, hasEnded, wasLost } from './errors.ts';

export type CommandOutcome =
  | { outcome: 'done'; stage: Stage }
  | { outcome: 'refused'; reason: RefusalReason; detail?: string }
  /** The workflow cannot store what the command says. */
  | { outcome: 'malformed'; detail: string }
  /** The order's workflow has ended, or never began: the database knows how the order stands. */
  | { outcome: 'ended' };

/** `decided`: the database knows the result. `pending`: it waits for room in the wallet. `ended`: the refund had ended before. */
export type RefundOutcome = 'decided' | 'pending' | 'ended';

/** The outcome of a command that the workflow answered. */
export const toOutcome = ({ stage, refusal }: CommandAnswer): CommandOutcome =>
  refusal === null ? { outcome: 'done', stage } : { outcome: 'refused', reason: refusal };

/** The outcome of a command that failed. @throws the error itself when it is not an outcome. */
export function outcomeOfFailure(error: unknown): CommandOutcome {
  if (hasEnded(error)) return { outcome: 'ended' };
  const refusal = findRefusal(error);
  if (refusal) return refusal;
  throw toUnavailable(error);
}

/** @throws the error itself when it is not an outcome. */
export function placeOutcomeOfFailure(error: unknown): 'ended' {
  if (hasEnded(error)) return 'ended';
  throw toUnavailable(error);
}

/** @throws the error itself when it is not an outcome. */
export function refundOutcomeOfFailure(error: unknown): RefundOutcome {
  // Somebody terminated the workflow, and nobody knows how far it got.
  if (wasLost(error)) throw new TemporalUnavailableError('The refund was interrupted.', { cause: error });
  if (hasEnded(error)) return 'ended';
  throw toUnavailable(error);
}

const MALFORMED = 'malformed' satisfies ByHandRefusal;

/** What the workflow refused: a command that cannot be carried out, or one with text that it cannot store. */
function findRefusal(error: unknown): CommandOutcome | undefined {
  if (!(error instanceof WorkflowUpdateFailedError && error.cause instanceof ApplicationFailure))
    return undefined;
  const { type, message } = error.cause;
  if (type === MALFORMED) return { outcome: 'malformed', detail: message };
  const reason = REFUSAL_REASONS.find((known) => known === type);
  return reason && { outcome: 'refused', reason, detail: message };
}

/** An update that failed for a reason unknown to this release, such as one of a newer worker, may not have been carried out. */
export function toUnavailable(error: unknown): unknown {
  if (!(error instanceof WorkflowUpdateFailedError)) return error;
  return new TemporalUnavailableError('The workflow refused the call for an unknown reason.', {
    cause: error,
  });
}
