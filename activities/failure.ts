import { ApplicationFailure } from '@temporalio/common';
import { isDatabaseAway } from '../db/connection.ts';
import { RowLockedError } from '../db/locked-rows.ts';

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
    if (error instanceof RowLockedError)
      throw ApplicationFailure.create({
        type: 'row_locked',
        message: `${error.message} It is tried again, but somebody should look who that is: ${what} waits for it.`,
        cause,
      });
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
