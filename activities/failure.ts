import { ApplicationFailure } from '@temporalio/common';
import { isDatabaseAway } from '../db/connection.ts';

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
    const cause = error instanceof Error ? error : new Error(String(error));
    const away = isDatabaseAway(error);
    throw ApplicationFailure.create({
      type: away ? 'database_unavailable' : 'database_refused',
      message: away
        ? `PostgreSQL did not carry out ${what} in time; it is tried again. ${cause.message}`
        : `PostgreSQL refused ${what}; it is tried again, but somebody should look. ${cause.message}`,
      cause,
    });
  }
}

/** What is at the bottom of an error: libraries put their own words on top, some of them with a query's parameters. */
export function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? causeOf(error.cause) : error.message;
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
