/** Brings the shop's figures up to what is recorded. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from '../connection.ts';
import { tookTooLong } from '../errors.ts';
import { FIGURES, figuresOf } from './figures.ts';

export interface Counted {
  counted: number;
  /** Whether nothing was left; otherwise call again. */
  isDone: boolean;
}

/** Some 200 ms of work: statements end after 1.5 s. */
const EVENTS_AT_ONCE = 5_000;

/** A statement that took too long is followed by one over this fraction of its rows. Less than half: each try costs a statement's time. */
export const FEWER = 8;

/** Short compared with the time of a page, because figures wait for it. */
const PAUSE_POLL_MS = 100;

/** Adds to the figures what they do not count yet, batch by batch. @param forMs no batch begins after this time. */
export async function countPending(database: Database, forMs: number): Promise<Counted> {
  const until = performance.now() + forMs;
  let limit = EVENTS_AT_ONCE;
  for (let counted = 0; ;) {
    const batch = await withinTime(countSome(database, limit), limit);
    if (batch === 'took too long') limit = Math.ceil(limit / FEWER);
    else if (batch === 'paused') await delay(PAUSE_POLL_MS);
    else {
      counted += batch.counted;
      limit = Math.min(EVENTS_AT_ONCE, 2 * limit);
    }
    const isDone = typeof batch !== 'string' && batch.isDone;
    if (isDone || performance.now() >= until) return { counted, isDone };
  }
}

/**
 * The result of a statement over this many rows, or that fewer should be tried: events of orders with many lines take longer.
 * @throws when it was a single row.
 */
export async function withinTime<T>(work: Promise<T>, rows: number): Promise<T | 'took too long'> {
  try {
    return await work;
  } catch (error) {
    if (rows === 1 || !tookTooLong(error)) throw error;
    return 'took too long';
  }
}

const COLUMNS = FIGURES.join(', ');
const SUMS = FIGURES.map((name) => `${name} = stat.${name} + excluded.${name}`).join(', ');

/** Counts one batch in one statement: an event leaves `stat_pending` and is added to `stat`, or neither. */
export async function countSome(database: Database, limit: number): Promise<Counted | 'paused'> {
  const [batch] = await database.run(
    ({ sql }) => sql<{ mayCount: boolean; taken: number; counted: number }[]>`
      with progress as materialized (
        -- One process at a time: two at once would lock the same rows of stat, each in its own order.
        select id from stat_progress where paused_until < clock_timestamp() for update
      ),
      waiting as materialized (
        -- count(*) forces the lock to be taken first. This statement's snapshot is older than the lock, so it may still have rows that
        -- another process has just counted; but each can be deleted only once.
        select ctid from stat_pending where (select count(*) from progress) > 0 order by id limit ${limit}
      ),
      to_apply as (
        delete from stat_pending where ctid = any (array (select ctid from waiting)) returning order_id, version
      ),
      added as (
        insert into stat (shop_id, sku, day, currency, ${sql.unsafe(COLUMNS)})
        select shop_id, sku, day, currency, ${sql.unsafe(COLUMNS)}
        from (${figuresOf(
          sql,
          sql`select order_id, version, stage, at from to_apply join order_event using (order_id, version)`,
        )}) as change
        on conflict (shop_id, sku, day, currency) do update set ${sql.unsafe(SUMS)}
      ),
      noted as (
        update stat_progress
        set
          batches = batches + 1,
          counted_until = case
            -- The time when this statement began: everything that had committed by then was there to be taken.
            when (select count(*) from waiting) < ${limit} then greatest(counted_until, now())
            else counted_until
          end
        from progress
        where stat_progress.id = progress.id
      )
      select
        exists (select from progress) as "mayCount", (select count(*) from waiting) as taken, (select count(*) from to_apply) as counted
    `,
  );
  if (!batch?.mayCount) return 'paused';
  return { counted: batch.counted, isDone: batch.taken < limit };
}
