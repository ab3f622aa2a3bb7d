/**
 * Keeps the figures still while they are compared with their events.
 *
 * Counting pauses for a lease, which ends on its own: nobody waits for a process that died. So it may end too early, as when this process
 * was suspended for long. The proof that nobody counted, and that no month was dropped, is {@link COUNTED_SO_FAR}.
 */
import { sql as expression } from 'drizzle-orm';
import type { Database } from '../connection.ts';
import { statProgress } from '../schema/stats.ts';

/**
 * Of stat_progress: what stays the same as long as the figures are the sum of the same events, of those that are left and of those that
 * are archived. Batches that were counted, and months that were dropped.
 */
export const COUNTED_SO_FAR =
  "batches + (select count(*) from dropped_partition where table_name = 'order_event')";

/** Longer than a page of a comparison takes. */
const LEASE = '5 seconds';
/** A process that counts in spite of the pause does so once in years, not again and again. */
const ATTEMPTS = 5;

/**
 * Lets nobody count until the lease ends. A process that is counting finishes before this returns.
 * @returns {@link COUNTED_SO_FAR}, now.
 */
export async function pauseCounting(database: Database): Promise<number> {
  const [progress] = await database.run(({ orm }) =>
    orm
      .update(statProgress)
      .set({ pausedUntil: expression`clock_timestamp() + ${LEASE}::text::interval` })
      .returning({ batches: expression<number>`${expression.raw(COUNTED_SO_FAR)}` }),
  );
  if (!progress) throw new Error('The only row of stat_progress is missing.');
  return progress.batches;
}

/** Ends a pause, even another process's: that one notices what was counted. */
export async function resumeCounting(database: Database): Promise<void> {
  await database.run(({ orm }) =>
    orm.update(statProgress).set({ pausedUntil: expression`clock_timestamp()` }),
  );
}

/**
 * Reads figures and their events while nobody counts, again if somebody did. The pause lasts until its lease ends or
 * {@link resumeCounting} is called.
 * @param read extends the pause before each page, and returns {@link COUNTED_SO_FAR} of its figures.
 */
export async function readWhilePaused<T extends { batches: number }>(
  database: Database,
  read: (extendPause: () => Promise<unknown>) => Promise<T>,
): Promise<T> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const batches = await pauseCounting(database);
    const result = await read(() => pauseCounting(database));
    if (result.batches === batches) return result;
  }
  throw new Error(`Figures were counted while they were compared, ${ATTEMPTS} times in a row.`);
}
