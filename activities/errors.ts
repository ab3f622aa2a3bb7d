import { ApplicationFailure, TemporalFailure } from '@temporalio/common';
import { isDatabaseUnavailable } from '../db/errors.ts';
import { RowLockedError } from '../db/locked-rows.ts';
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
    if (error instanceof RowLockedError)
      throw ApplicationFailure.create({
        type: 'row_locked',
        message: `${messageOf(error)} It is tried again; find out which session that is, as ${what} waits for it.`,
        cause: safeError(error),
      });
    const away = isDatabaseUnavailable(error);
    throw ApplicationFailure.create({
      type: away ? 'database_unavailable' : 'database_refused',
      message: away
        ? `PostgreSQL did not carry out ${what} in time; it is tried again. ${messageOf(error)}`
        : `PostgreSQL refused ${what}; it is tried again, but somebody should look. ${messageOf(error)}`,
      cause: safeError(error),
    });
  }
}

interface Prospect {
  again: 'may succeed' | 'would fail';
}

/** Reconciliation cannot go on with what it looks for. */
export const cannotLook = (message: string, { again }: Prospect): ApplicationFailure =>
  ApplicationFailure.create({ type: 'cannot_look', message, nonRetryable: again === 'would fail' });

/** Not one row or workflow is in trouble, but all of them. */
export const tooManyFailures = (count: number, last: string, prospect: Prospect): ApplicationFailure =>
  cannotLook(`${count} in a row failed; the last one ${last}`, prospect);

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
