/** The activities that remove what is kept only for some time, and make the months in which it is kept. */
import type { LongDatabase } from '../db/connection.ts';
import { removeOldKeys, type KeyCursor, type RemovedKeys } from '../db/old-keys.ts';
import {
  dropOldestMonth,
  makeMonths,
  tablesInMonths,
  type DroppedMonth,
  type MadeMonth,
} from '../db/partitions.ts';
import { removeOldNotifications, type RemovedNotifications } from '../db/payments/old-notifications.ts';
import { removeOldDeliveries, type RemovedDeliveries } from '../db/webhooks/old-deliveries.ts';
import { toActivityFailure } from './errors.ts';

/** Milliseconds that each is kept, by the settings. */
export interface RetentionSettings {
  orderEvents: number;
  audit: number;
  measurements: number;
  idempotencyKeys: number;
  webhookDeliveries: number;
  paymentNotifications: number;
}

export interface RemovedSome extends RemovedKeys {
  /** Milliseconds for which keys are kept. */
  keptFor: number;
}

export interface RemovedSomeDeliveries extends RemovedDeliveries {
  /** Milliseconds for which deliveries are kept. */
  keptFor: number;
}

export interface RemovedSomeNotifications extends RemovedNotifications {
  /** Milliseconds for which notifications are kept. */
  keptFor: number;
}

export interface MadeMonths {
  made: MadeMonth[];
  /** Tables that were in use all the time. Nothing is lost: their rows wait for the month. */
  busy: string[];
}

export interface DroppedMonths {
  dropped: DroppedMonth[];
  /** Months that are old enough, and that somebody still needs: a sentence for each. */
  staying: string[];
  busy: string[];
  /** Milliseconds for which each table's months are kept after their end. */
  keptFor: Record<string, number>;
}

/** Each may run any number of times, and concurrently with another run. */
export interface RetentionActivities {
  /** Makes the months from this time on that are missing. */
  makeMonths: (at: { at: string }) => Promise<MadeMonths>;
  /** Drops the months that are old enough at this time. */
  dropMonths: (at: { at: string }) => Promise<DroppedMonths>;
  /** Removes old idempotency keys for some seconds. Without `at`, by this machine's clock. */
  removeKeys: (from: { after: KeyCursor | null; at?: string }) => Promise<RemovedSome>;
  /** Removes old deliveries of webhooks for some seconds. */
  removeDeliveries: (from: { after: string | null; at: string }) => Promise<RemovedSomeDeliveries>;
  /** Removes old notifications of payment providers for some seconds. */
  removeNotifications: (at: { at: string }) => Promise<RemovedSomeNotifications>;
}

/** Well within the activity's time-out. */
const REMOVE_FOR_MS = 10_000;
/** Temporal deletes a workflow some time after its retention is over. */
const DELETED_WITHIN_MS = 86_400_000;

/** @param closedWorkflowsKeptFor asks Temporal for how many milliseconds it keeps a workflow that has ended. */
export function createRetentionActivities(
  database: LongDatabase,
  settings: RetentionSettings,
  closedWorkflowsKeptFor: () => Promise<number>,
): RetentionActivities {
  // Asked each time, because a namespace's retention may be changed while workers run.
  const keysKeptFor = async () =>
    Math.max(settings.idempotencyKeys, (await closedWorkflowsKeptFor()) + DELETED_WITHIN_MS);

  return {
    async makeMonths({ at }) {
      const made: MadeMonth[] = [];
      const busy: string[] = [];
      for (const table of await tablesInMonths(database)) {
        const attempt = await toActivityFailure(
          `making the months of ${table}`,
          makeMonths(database, { table, at }),
        );
        if (attempt.state === 'busy') busy.push(table);
        else made.push(...attempt.months);
      }
      return { made, busy };
    },

    async dropMonths({ at }) {
      const keptFor: Record<string, number> = {
        order_event: settings.orderEvents,
        audit: settings.audit,
        measurement: settings.measurements,
        idempotency_key: await keysKeptFor(),
        // The deliveries that they are of go as long after their end.
        webhook_attempt: settings.webhookDeliveries,
      };
      const end: DroppedMonths = { dropped: [], staying: [], busy: [], keptFor };
      for (const table of await tablesInMonths(database)) {
        const ms = keptFor[table];
        if (ms === undefined) continue;
        const before = new Date(Date.parse(at) - ms).toISOString();
        const drop = () =>
          toActivityFailure(`dropping months of ${table}`, dropOldestMonth(database, { table, before }));
        // One at a time, so that nobody waits for more than one.
        let last = await drop();
        for (; last.state === 'done' && last.month !== null; last = await drop())
          end.dropped.push(last.month);
        if (last.state === 'busy') end.busy.push(table);
        else end.staying.push(...last.staying);
      }
      return end;
    },

    async removeKeys({ after, at }) {
      const keptFor = await keysKeptFor();
      const now = at === undefined ? Date.now() : Date.parse(at);
      const removing = removeOldKeys(database, { now, keepMs: keptFor, after, forMs: REMOVE_FOR_MS });
      return { keptFor, ...(await toActivityFailure('the removal of old idempotency keys', removing)) };
    },

    async removeDeliveries({ after, at }) {
      const keptFor = settings.webhookDeliveries;
      const removing = removeOldDeliveries(database, {
        now: Date.parse(at),
        keepMs: keptFor,
        after,
        forMs: REMOVE_FOR_MS,
      });
      return { keptFor, ...(await toActivityFailure('the removal of old deliveries', removing)) };
    },

    async removeNotifications({ at }) {
      const keptFor = settings.paymentNotifications;
      const removing = removeOldNotifications(database, {
        now: Date.parse(at),
        keepMs: keptFor,
        forMs: REMOVE_FOR_MS,
      });
      return { keptFor, ...(await toActivityFailure('the removal of old notifications', removing)) };
    },
  };
}
