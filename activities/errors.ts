/** How a failed activity reaches an operator: one sentence with its cause, and no value of the shop's data. */
import { ApplicationFailure, TemporalFailure } from '@temporalio/common';
import { isDatabaseUnavailable } from '../db/errors.ts';
import { RowLockedError } from '../db/locked-rows.ts';
import { messageOf, safeError } from '../process/redaction.ts';

/**
 * Turns what PostgreSQL did not do into the sentence that an operator reads in the Web UI, with the cause attached. Every
 * failure may be retried: what failed left nothing behind.
 * @param what the work, as a noun: it stands in the middle of the sentence.
 */
export async function toActivityFailure<T>(what: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const cause = safeError(error);
    if (error instanceof RowLockedError)
      throw ApplicationFailure.create({
        type: 'row_locked',
        message: `${messageOf(error)} It is retried; find out which session that is, as ${what} waits for it.`,
        cause,
      });
    throw isDatabaseUnavailable(error)
      ? ApplicationFailure.create({
          type: 'database_unavailable',
          message: `PostgreSQL did not carry out ${what} in time; it is retried. ${messageOf(error)}`,
          cause,
        })
      : ApplicationFailure.create({
          type: 'database_refused',
          message: `PostgreSQL refused ${what}; it is retried, but find out why. ${messageOf(error)}`,
          cause,
        });
  }
}

interface Prospect {
  again: 'may succeed' | 'would fail';
}

/** A detector of reconciliation cannot go on. */
export const detectorFailure = (message: string, { again }: Prospect): ApplicationFailure =>
  ApplicationFailure.create({ type: 'cannot_look', message, nonRetryable: again === 'would fail' });

/** Not one row or workflow is at fault, but all of them. */
export const tooManyFailures = (count: number, last: string, prospect: Prospect): ApplicationFailure =>
  detectorFailure(`${count} in a row failed; the last one ${last}`, prospect);

/**
 * Wraps every activity: what it throws goes into the workflow's history, where anybody with the Web UI reads it. The values that
 * were passed to a statement stay out, wherever the message comes from.
 */
export async function failSafely<Input, Output>(
  input: Input,
  next: (input: Input) => Promise<Output>,
): Promise<Output> {
  try {
    return await next(input);
  } catch (error) {
    // Cancellation and the like contain no data.
    if (error instanceof TemporalFailure && !(error instanceof ApplicationFailure)) throw error;
    if (!(error instanceof ApplicationFailure)) throw safeError(error);
    const { type, nonRetryable, details, nextRetryDelay, category } = error;
    const cause = error.cause === undefined ? undefined : safeError(error.cause);
    const message = messageOf(error);
    throw new ApplicationFailure(message, type, nonRetryable, details, cause, nextRetryDelay, category);
  }
}
