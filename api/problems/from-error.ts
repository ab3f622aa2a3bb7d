/** Turns any error into the problem that its caller is answered with. */
import { HTTPException } from 'hono/http-exception';
import { TemporalUnavailableError } from '../../client/errors.ts';
import { UnreadablePayloadError } from '../../client/payload-codec.ts';
import { DatabaseBusyError, isDatabaseUnavailable } from '../../db/errors.ts';
import { UnknownKeyError } from '../../domain/key-ring.ts';
import { SealBrokenError } from '../../domain/sealing.ts';
import { Problem } from './problem.ts';

/** An error of an unknown kind is `internal_error`. */
export function toProblem(error: Error): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof HTTPException) return toRequestProblem(error);
  if (error instanceof TemporalUnavailableError)
    return new Problem('unavailable', 'The order engine did not answer in time.', {}, { cause: error });
  if (error instanceof DatabaseBusyError)
    return new Problem('overloaded', 'All connections to the database are in use.', {}, { cause: error });
  if (error instanceof UnreadablePayloadError)
    return new Problem(
      'unavailable',
      'What the order engine answered cannot be read. The cause was logged.',
      {},
      { cause: error },
    );
  if (isDatabaseUnavailable(error))
    return new Problem('unavailable', 'The database did not answer in time.', {}, { cause: error });
  if (error instanceof UnknownKeyError || error instanceof SealBrokenError)
    return new Problem(
      'personal_data_unavailable',
      'The key of this personal data is missing, or is another one. The cause was logged.',
      {},
      { cause: error },
    );
  return new Problem('internal_error', 'The cause was logged.', {}, { cause: error });
}

/** Hono's own refusals while it reads a request. */
function toRequestProblem(error: HTTPException): Problem {
  if (error.status === 400) return new Problem('malformed_body', 'The body is not valid JSON.');
  if (error.status === 415)
    return new Problem('unsupported_media_type', 'The body must be sent as application/json, in UTF-8.');
  return new Problem('internal_error', 'The cause was logged.', {}, { cause: error });
}
