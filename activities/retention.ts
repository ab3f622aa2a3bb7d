/** The activity that removes what is kept only for some time. */
import type { Database } from '../db/connection.ts';
import { removeOldKeys, type KeyCursor, type RemovedKeys } from '../db/old-keys.ts';
import { toActivityFailure } from './errors.ts';

export interface RetentionSettings {
  /** Milliseconds that an idempotency key is kept, by the setting. */
  idempotencyKeys: number;
}

export interface RemovedSome extends RemovedKeys {
  /** Milliseconds for which keys are kept. */
  keptFor: number;
}

export interface RetentionActivities {
  /** Removes old idempotency keys for some seconds. May run any number of times, and concurrently with another run. */
  removeKeys: (from: { after: KeyCursor | null }) => Promise<RemovedSome>;
}

/** Well within the activity's time-out. */
const REMOVE_FOR_MS = 10_000;
/** Temporal deletes a workflow some time after its retention is over. */
const DELETED_WITHIN_MS = 86_400_000;

/** @param closedWorkflowsKeptFor asks Temporal for how many milliseconds it keeps a workflow that has ended. */
export function createRetentionActivities(
  database: Database,
  { idempotencyKeys }: RetentionSettings,
  closedWorkflowsKeptFor: () => Promise<number>,
): RetentionActivities {
  return {
    async removeKeys({ after }) {
      // Asked each time, because a namespace's retention may be changed while workers run.
      const keptFor = Math.max(idempotencyKeys, (await closedWorkflowsKeptFor()) + DELETED_WITHIN_MS);
      const removing = removeOldKeys(database, { keepMs: keptFor, after, forMs: REMOVE_FOR_MS });
      return { keptFor, ...(await toActivityFailure('the removal of old idempotency keys', removing)) };
    },
  };
}
