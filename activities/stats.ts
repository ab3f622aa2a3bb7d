/** Counting the shop's figures as an activity. */
import type { Database } from '../db/connection.ts';
import { countPending, type Counted } from '../db/stats/count.ts';

export interface StatsActivities {
  /** Adds what is not counted yet to the figures, for a while at most. May run any number of times, and beside another run. */
  countEvents: () => Promise<Counted>;
}

/** Well within the activity's time-out. */
const AT_MOST_MS = 20_000;

export function createStatsActivities(database: Database): StatsActivities {
  return { countEvents: () => countPending(database, AT_MOST_MS) };
}
