/** When the runs of the schedules ended, and which of them are overdue. */
import type { RunName } from '../../domain/measures.ts';
import type { Database } from '../connection.ts';

/** Milliseconds from one run of each schedule to the next, as the settings have it. */
export type RunIntervals = Readonly<Record<RunName, number>>;

/** A run that fails or is skipped, a worker that restarts: one or two of them are no reason to wake anybody. */
export const OVERDUE_AFTER_INTERVALS = 3;

/** Records that a run ended. One that is recorded late does not undo a later one. @param at its time, ISO 8601. */
export async function keepRunEnd(database: Database, run: RunName, at: string): Promise<void> {
  await database.run(
    ({ sql }) => sql`
      insert into run_end (run, watched_since, ended_at) values (${run}, ${at}, ${at})
      on conflict (run) do update set ended_at = greatest(run_end.ended_at, excluded.ended_at)
    `,
  );
}
