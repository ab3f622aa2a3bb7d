/** Calls to Temporal that may succeed when repeated are distinguished from calls that are wrong. */
import { NamespaceNotFoundError, ServiceError, isGrpcServiceError } from '@temporalio/client';
import { rethrowKnownErrorTypes } from '@temporalio/client/lib/helpers.js';
import proto from '@temporalio/proto';
import { expect, test } from 'vitest';
import { isRetryable } from '../../client/errors.ts';

const { google, temporal } = proto;
const { errordetails } = temporal.api;
const NOT_FOUND = 5;

const detail = (name: string, value: Uint8Array) => ({ type_url: `type.googleapis.com/${name}`, value });

/** What the client throws for an update-with-start whose update failed with these details. */
function failedUpdateWithStart(...details: ReturnType<typeof detail>[]): unknown {
  const parts = errordetails.v1.MultiOperationExecutionFailure.encode({
    statuses: [
      {
        code: 10,
        details: [detail('temporal.api.failure.v1.MultiOperationExecutionAborted', new Uint8Array())],
      },
      { code: NOT_FOUND, message: 'not found', details },
    ],
  }).finish();
  const status = google.rpc.Status.encode({
    code: 3,
    details: [detail('temporal.api.errordetails.v1.MultiOperationExecutionFailure', parts)],
  }).finish();
  const error: unknown = Object.assign(new Error('Update-with-Start could not be executed.'), {
    code: 3,
    details: '',
    metadata: { get: (key: string) => (key === 'grpc-status-details-bin' ? [Buffer.from(status)] : []) },
  });
  if (!isGrpcServiceError(error)) throw new Error('This is no gRPC error.');
  try {
    rethrowKnownErrorTypes(error);
  } catch (thrown) {
    return thrown;
  }
  throw new Error('The client did not recognise the error.');
}

test('an update-with-start is repeated when a starting server does not know its namespace yet', () => {
  const namespace = errordetails.v1.NamespaceNotFoundFailure.encode({ namespace: 'default' }).finish();
  const error = failedUpdateWithStart(
    detail('temporal.api.errordetails.v1.NamespaceNotFoundFailure', namespace),
  );
  // The client throws it without its type.
  expect(error).not.toBeInstanceOf(NamespaceNotFoundError);
  expect(error).toMatchObject({ code: NOT_FOUND });
  expect(isRetryable(error)).toBe(true);
  expect(isRetryable(new ServiceError('Update-With-Start failed', { cause: asError(error) }))).toBe(true);
});

test('an update-with-start that found no workflow is not repeated', () => {
  const workflow = errordetails.v1.NotFoundFailure.encode({}).finish();
  const error = failedUpdateWithStart(detail('temporal.api.errordetails.v1.NotFoundFailure', workflow));
  expect(error).toMatchObject({ code: NOT_FOUND });
  expect(isRetryable(error)).toBe(false);
});

test('a call other than update-with-start is repeated when the server does not know its namespace yet', () => {
  expect(isRetryable(new NamespaceNotFoundError('default'))).toBe(true);
});

function asError(error: unknown): Error {
  if (error instanceof Error) return error;
  throw new Error('This is no error.');
}
