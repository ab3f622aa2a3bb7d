/** Classifies the errors of Temporal's client: which call may be repeated, and which workflow has ended. */
import {
  ApplicationFailure,
  NamespaceNotFoundError,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  isGrpcServiceError,
} from '@temporalio/client';
import proto from '@temporalio/proto';

/** Temporal does not answer, is overloaded, or has no worker to do the work. Whether the call was carried out is unknown. */
export class TemporalUnavailableError extends Error {
  override name = 'TemporalUnavailableError';
}

/** The server's name for an update whose workflow ended after accepting it and before answering it. */
const UPDATE_LOST = 'AcceptedUpdateCompletedWorkflow';

/** Whether the workflow accepted the command and then ended without an answer. */
export const wasLost = (error: unknown): boolean =>
  error instanceof WorkflowUpdateFailedError &&
  error.cause instanceof ApplicationFailure &&
  error.cause.type === UPDATE_LOST;

/** Whether the workflow that a command was for has ended, or never began. */
export const hasEnded = (error: unknown): boolean =>
  wasLost(error) ||
  error instanceof WorkflowNotFoundError ||
  error instanceof WorkflowExecutionAlreadyStartedError;

/** gRPC's code for a failure that the server did not expect, and for an update that it will never answer. */
const INTERNAL = 13;

/**
 * gRPC's codes of a call that may succeed when it is repeated: cancelled, unknown, deadline exceeded, resource exhausted (too many
 * updates in flight), failed precondition (the order's worker died in the middle of a task), aborted (the task was lost), out of
 * range, internal, unavailable, data loss. The other codes say that the call itself is wrong.
 */
const RETRYABLE: ReadonlySet<number> = new Set([1, 2, 4, 8, 9, 10, 11, INTERNAL, 14, 15]);

type GrpcError = typeof isGrpcServiceError extends (error: unknown) => error is infer E ? E : never;

/** Whether a call may succeed when it is repeated. */
export function isRetryable(error: unknown): boolean {
  if (error instanceof TemporalUnavailableError) return true;
  // A server that is starting may not know its namespaces yet.
  if (error instanceof NamespaceNotFoundError) return true;
  if (isGrpcServiceError(error)) return RETRYABLE.has(error.code) || lacksNamespace(error);
  return error instanceof Error && error.cause !== undefined && isRetryable(error.cause);
}

/** Whether the server failed in a way that it did not expect. */
export const isInternal = (error: unknown): boolean => findGrpcCode(error) === INTERNAL;

/** gRPC's codes for what this client may not do, and for what the server does not offer. */
const NOT_ALLOWED: ReadonlySet<number | undefined> = new Set([7, 12, 16]);

/** Whether the server does not let this client do that. */
export const isNotAllowed = (error: unknown): boolean => NOT_ALLOWED.has(findGrpcCode(error));

const INVALID_ARGUMENT = 3;

/** Whether a start was refused because the namespace does not know a search attribute. The server has no code of its own for that. */
export function isUnknownSearchAttribute(error: unknown): boolean {
  if (isGrpcServiceError(error))
    return (
      findGrpcCode(error) === INVALID_ARGUMENT &&
      [error.details, ...partsOf(error).map(({ message }) => message ?? '')].some((said) =>
        said.includes('search attribute'),
      )
    );
  return error instanceof Error && error.cause !== undefined && isUnknownSearchAttribute(error.cause);
}

/** The gRPC code of an error, or of its cause. */
function findGrpcCode(error: unknown): number | undefined {
  if (isGrpcServiceError(error)) return error.code;
  return error instanceof Error && error.cause !== undefined ? findGrpcCode(error.cause) : undefined;
}

/**
 * Whether a part of an update-with-start failed because the server does not know the namespace. The client then throws the part's
 * code and message as a plain gRPC error; its type stays in the details of the whole call.
 */
const lacksNamespace = (error: GrpcError): boolean =>
  partsOf(error).some(({ details }) =>
    details?.some(isOfType('temporal.api.errordetails.v1.NamespaceNotFoundFailure')),
  );

/** How the parts of an update-with-start ended. */
function partsOf({ metadata }: GrpcError) {
  const [status] = metadata.get('grpc-status-details-bin');
  if (!(status instanceof Uint8Array)) return [];
  return google.rpc.Status.decode(status)
    .details.filter(isOfType('temporal.api.errordetails.v1.MultiOperationExecutionFailure'))
    .flatMap(({ value }) => MultiOperationExecutionFailure.decode(value ?? new Uint8Array()).statuses);
}

const { google, temporal } = proto;
const { MultiOperationExecutionFailure } = temporal.api.errordetails.v1;

const isOfType =
  (name: string) =>
  ({ type_url: url }: { type_url?: string | null }): boolean =>
    url?.endsWith(`/${name}`) ?? false;
