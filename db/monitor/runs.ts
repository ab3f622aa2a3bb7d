/** Records when the scheduled runs end, and says after how long a run is overdue. */
import { sql as expression } from 'drizzle-orm';
import type { RunName } from '../../domain/measures.ts';
import type { Database } from '../connection.ts';
import { runEnd } from '../schema/operations.ts';

/** Milliseconds from one run of each schedule to the next, by the settings. */
export type RunIntervals = Readonly<Record<RunName, number>>;

/** A run may fail or be skipped, and a worker may restart: one or two of these are no reason to wake anybody. */
export const OVERDUE_AFTER_INTERVALS = 3;

/** Records that a run ended. Recording it late does not undo a later end. @param at its time, ISO 8601. */
export async function keepRunEnd(database: Database, run: RunName, at: string): Promise<void> {
  const endedAt = new Date(at);
  await database.run(({ orm }) =>
    orm
      .insert(runEnd)
      .values({ run, watchedSince: endedAt, endedAt })
      .onConflictDoUpdate({
        target: runEnd.run,
        set: { endedAt: expression`greatest(${runEnd.endedAt}, excluded.ended_at)` },
      }),
  );
}
