/** Removes what payment providers sent long ago. */
import type { Database } from '../connection.ts';

export interface RemovedNotifications {
  removed: number;
  /** Whether there may be more that are old enough. */
  more: boolean;
}

/** Some 50 ms of work. */
const NOTIFICATIONS_AT_ONCE = 1_000;

/**
 * Removes notifications batch by batch. One that waits for its payment is kept, however long it waits.
 * @param now since 1970, in milliseconds.
 * @param keepMs how long a notification is kept after it was received.
 * @param forMs no batch begins after this time.
 */
export async function removeOldNotifications(
  database: Database,
  { now, keepMs, forMs }: { now: number; keepMs: number; forMs: number },
): Promise<RemovedNotifications> {
  const until = performance.now() + forMs;
  const before = new Date(now - keepMs).toISOString();
  const end: RemovedNotifications = { removed: 0, more: true };
  do {
    const batch = await removeSome(database, before);
    end.removed += batch.removed;
    end.more = batch.more;
  } while (end.more && performance.now() < until);
  return end;
}

async function removeSome(database: Database, before: string): Promise<RemovedNotifications> {
  const [batch] = await database.run(
    ({ sql }) => sql<RemovedNotifications[]>`
      with page as materialized (
        select id from payment_notification
        where state in ('handled', 'returned') and received_at < ${before}
        order by received_at, id
        limit ${NOTIFICATIONS_AT_ONCE}
      ),
      removed as (
        delete from payment_notification as old using page where old.id = page.id returning old.id
      )
      select
        (select count(*) from removed)::integer as removed,
        (select count(*) from page) = ${NOTIFICATIONS_AT_ONCE} as more
    `,
  );
  if (!batch) throw new Error('The statement that removes old notifications returned no row.');
  return batch;
}
