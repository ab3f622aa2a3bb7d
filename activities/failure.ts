import { ApplicationFailure, TemporalFailure } from '@temporalio/common';
import { isDatabaseAway } from '../db/connection.ts';
import { messageOf, safeError } from '../process/redaction.ts';

/** As {@link inWords}, of what was done for an order. */
export const inWordsOfOrder = <T>(what: string, orderId: string, work: Promise<T>): Promise<T> =>
  inWords(`${what} for order ${orderId}`, work);

/**
 * Turns what PostgreSQL did not do into the sentence that an operator reads in the Web UI, with the cause attached. Every
 * failure may be retried: what failed left nothing behind.
 */
export async function inWords<T>(what: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const away = isDatabaseAway(error);
    throw ApplicationFailure.create({
      type: away ? 'database_unavailable' : 'database_refused',
      message: away
        ? `PostgreSQL did not carry out ${what} in time; it is tried again. ${messageOf(error)}`
        : `PostgreSQL refused ${what}; it is tried again, but somebody should look. ${messageOf(error)}`,
      cause: safeError(error),
    });
  }
}

/**
 * Around every activity: what it throws goes into the workflow's history, where anybody with the Web UI reads it, so values that
 * a statement was given stay out, whoever put the error into words.
 */
export async function failSafely<Input, Output>(
  input: Input,
  next: (input: Input) => Promise<Output>,
): Promise<Output> {
  try {
    return await next(input);
  } catch (error) {
    // Cancellation and the like say nothing about data.
    if (error instanceof TemporalFailure && !(error instanceof ApplicationFailure)) throw error;
    if (!(error instanceof ApplicationFailure)) throw safeError(error);
    const { type, nonRetryable, details, nextRetryDelay, category } = error;
    const cause = error.cause === undefined ? undefined : safeError(error.cause);
    const message = messageOf(error);
    throw new ApplicationFailure(message, type, nonRetryable, details, cause, nextRetryDelay, category);
  }
}
