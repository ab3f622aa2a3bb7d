/** Removes what webhooks were sent long ago. */
import type { Database } from '../connection.ts';
import { CLOCKS_APART_MS, firstIdAt } from '../ids.ts';

export interface RemovedDeliveries {
  removed: number;
  /** What waited for so long at a webhook that is disabled is sent no more. */
  givenUp: number;
  /** Where the next batch begins; null after the last delivery that is old enough. */
  next: string | null;
}

/** Some 50 ms of work. */
const DELIVERIES_AT_ONCE = 1_000;

/**
 * Removes deliveries batch by batch: those that ended long ago, and those of webhooks that are gone.
 * @param now since 1970, in milliseconds.
 * @param keepMs how long a delivery is kept after its end, and how long it waits.
 * @param forMs no batch begins after this time.
 */
export async function removeOldDeliveries(
  database: Database,
  { now, keepMs, after, forMs }: { now: number; keepMs: number; after: string | null; forMs: number },
): Promise<RemovedDeliveries> {
  const until = performance.now() + forMs;
  const end: RemovedDeliveries = { removed: 0, givenUp: 0, next: after };
  do {
    const batch = await removeSome(database, { now, youngest: now - keepMs, after: end.next });
    end.removed += batch.removed;
    end.givenUp += batch.givenUp;
    end.next = batch.next;
  } while (end.next !== null && performance.now() < until);
  return end;
}

async function removeSome(
  database: Database,
  { now, youngest, after }: { now: number; youngest: number; after: string | null },
): Promise<RemovedDeliveries> {
  const before = new Date(youngest).toISOString();
  const cursor = after ?? firstIdAt(new Date(0).toISOString());
  const [batch] = await database.run(
    ({ sql }) => sql<RemovedDeliveries[]>`
      -- The oldest ones. Their ids say when they were written, by another clock than the one of their end.
      with page as materialized (
        select id from webhook_delivery
        where id > ${cursor} and id < ${firstIdAt(new Date(youngest + CLOCKS_APART_MS).toISOString())}
        order by id
        limit ${DELIVERIES_AT_ONCE}
      ),
      removed as (
        delete from webhook_delivery as old
        using page
        where
          old.id = page.id
          and (old.ended_at < ${before} or not exists (select from webhook where webhook.id = old.webhook_id))
        returning old.id
      ),
      given_up as (
        update webhook_delivery as waiting set state = 'given_up', ended_at = ${new Date(now).toISOString()}
        from page
        where
          waiting.id = page.id and waiting.state = 'pending' and waiting.created_at < ${before}
          and exists (select from webhook where webhook.id = waiting.webhook_id)
        returning waiting.id
      )
      select
        (select count(*) from removed)::integer as removed,
        (select count(*) from given_up)::integer as "givenUp",
        case
          when (select count(*) from page) = ${DELIVERIES_AT_ONCE} then (select id from page order by id desc limit 1)
        end as next
    `,
  );
  if (!batch) throw new Error('The statement that removes old deliveries returned no row.');
  return batch;
}
