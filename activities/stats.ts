/** The activity that counts events into the shop's figures. */
import type { Database } from '../db/connection.ts';
import { countPending, type Counted } from '../db/stats/count.ts';

export interface StatsActivities {
  /** Adds what is not counted yet to the figures, for some seconds. May run any number of times, and concurrently with another run. */
  countEvents: () => Promise<Counted>;
}

/** Well within the activity's time-out. */
const COUNT_FOR_MS = 20_000;

export function createStatsActivities(database: Database): StatsActivities {
  return { countEvents: () => countPending(database, COUNT_FOR_MS) };
}
