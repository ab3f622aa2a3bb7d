/** What an error that nobody handled means to the caller. */
import { HTTPException } from 'hono/http-exception';
import { DatabaseBusyError, isDatabaseAway } from '../../db/connection.ts';
import { TemporalUnavailableError } from '../../client/errors.ts';
import { Problem } from './problem.ts';

/** The problem that an error is answered with. What it does not know is `internal_error`. */
export function problemOf(error: Error): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof HTTPException) return problemOfRequest(error);
  if (error instanceof TemporalUnavailableError)
    return new Problem('unavailable', 'The order engine gave no answer in time.', {}, { cause: error });
  if (error instanceof DatabaseBusyError)
    return new Problem('overloaded', 'All connections to the database are in use.', {}, { cause: error });
  if (isDatabaseAway(error))
    return new Problem('unavailable', 'The database gave no answer in time.', {}, { cause: error });
  return new Problem('internal_error', 'The cause was logged.', {}, { cause: error });
}

/** Hono's own refusals, while it reads a request. */
function problemOfRequest(error: HTTPException): Problem {
  if (error.status === 400) return new Problem('malformed_body', 'The body cannot be read as JSON.');
  if (error.status === 415)
    return new Problem('unsupported_media_type', 'The body has to be sent as application/json, in UTF-8.');
  return new Problem('internal_error', 'The cause was logged.', {}, { cause: error });
}
