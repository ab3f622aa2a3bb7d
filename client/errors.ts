/** What the errors of Temporal's client mean to a caller of the API. */
import {
  ApplicationFailure,
  NamespaceNotFoundError,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  isGrpcCancelledError,
  isGrpcDeadlineError,
  isGrpcServiceError,
} from '@temporalio/client';
import type { ByHandRefusal } from '../domain/attention.ts';
import { REFUSAL_REASONS, type RefusalReason } from '../domain/order.ts';

/** Temporal is away, overloaded, or has no worker at hand. Whether the call was carried out is unknown. */
export class TemporalAwayError extends Error {
  override name = 'TemporalAwayError';
}

/** What a workflow refused: a command that cannot be carried out, or one that says what cannot be kept. */
export type Refusal =
  { outcome: 'refused'; reason: RefusalReason; detail: string } | { outcome: 'malformed'; detail: string };

/** The refusal that an update's error is; undefined for any other error. */
export function refusalIn(error: unknown): Refusal | undefined {
  if (!(error instanceof WorkflowUpdateFailedError && error.cause instanceof ApplicationFailure))
    return undefined;
  const { type, message } = error.cause;
  if (type === MALFORMED) return { outcome: 'malformed', detail: message };
  const reason = REFUSAL_REASONS.find((known) => known === type);
  return reason && { outcome: 'refused', reason, detail: message };
}

const MALFORMED = 'malformed' satisfies ByHandRefusal;

/** An update that failed for a reason that is not known here, such as one of a newer worker: nothing is known to be done. */
export function unforeseen(error: unknown): unknown {
  if (!(error instanceof WorkflowUpdateFailedError)) return error;
  return new TemporalAwayError('The workflow refused the call for a reason that is not known here.', {
    cause: error,
  });
}

/** The server's name for what becomes of an update whose workflow ended before it was answered. */
const UPDATE_LOST = 'AcceptedUpdateCompletedWorkflow';

export const wasLost = (error: unknown): boolean =>
  error instanceof WorkflowUpdateFailedError &&
  error.cause instanceof ApplicationFailure &&
  error.cause.type === UPDATE_LOST;

export const hasEnded = (error: unknown): boolean =>
  wasLost(error) ||
  error instanceof WorkflowNotFoundError ||
  error instanceof WorkflowExecutionAlreadyStartedError;

/** gRPC's code for what the server did not foresee, and for an update that it will never answer. */
const INTERNAL = 13;

/**
 * gRPC's codes of a call that may succeed when it is made again: cancelled, unknown, deadline exceeded, resource exhausted (too many
 * updates in flight), failed precondition (the order's worker died in the middle of a task), aborted (the task was lost), out of range,
 * internal, unavailable, data loss. The others say that the call itself is wrong.
 */
const AWAY: ReadonlySet<number> = new Set([1, 2, 4, 8, 9, 10, 11, INTERNAL, 14, 15]);

/** The gRPC code of an error or of what caused it. */
function grpcCodeOf(error: unknown): number | undefined {
  if (isGrpcServiceError(error)) return error.code;
  return error instanceof Error && error.cause !== undefined ? grpcCodeOf(error.cause) : undefined;
}

export const isInternal = (error: unknown): boolean => grpcCodeOf(error) === INTERNAL;

/** Whether a call may succeed when it is made again. */
export function isAway(error: unknown): boolean {
  if (error instanceof TemporalAwayError) return true;
  if (isGrpcDeadlineError(error) || isGrpcCancelledError(error)) return true;
  // A server that starts may not know its namespaces yet.
  if (error instanceof NamespaceNotFoundError) return true;
  // Of an update-with-start the client unwraps the sentence, and not the type.
  if (error instanceof Error && /^Namespace \S+ is not found\.$/.test(error.message)) return true;
  if (isGrpcServiceError(error)) return AWAY.has(error.code);
  return error instanceof Error && error.cause !== undefined && isAway(error.cause);
}
