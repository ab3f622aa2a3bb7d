/** Brings the shop's figures up to what is recorded. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from '../connection.ts';
import { tookTooLong } from '../errors.ts';
import { FIGURES, figuresOf } from './figures.ts';

export interface Counted {
  counted: number;
  /** Whether nothing was left; else it has to be called again. */
  isDone: boolean;
}

/** Some 200 ms of work: statements end after 1.5 s. */
const EVENTS_AT_ONCE = 5_000;

/** A statement that took too long is followed by one over so much less. More than half: each try costs a statement's time. */
export const FEWER = 8;

/** Short beside the time of a page, for figures wait for it. */
const PAUSE_POLL_MS = 100;

/** Adds to the figures what they do not count yet, in batches, for so many milliseconds and one batch at most. */
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
 * What a statement over so many rows came to, or that fewer should be tried: events of orders with many lines take longer.
 * @throws when it was one row.
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

/** One batch, in one statement: an event leaves `stat_pending` and is added to `stat`, or neither. */
export async function countSome(database: Database, limit: number): Promise<Counted | 'paused'> {
  const [batch] = await database.run(
    ({ sql }) => sql<{ mayCount: boolean; looked: number; counted: number }[]>`
      with progress as materialized (
        -- One after the other: two at once would add to the same rows, each in an order of its own.
        select id from stat_progress where paused_until < clock_timestamp() for update
      ),
      waiting as materialized (
        -- Counting makes the lock be taken before. What another has counted meanwhile is here as well, for this statement's
        -- snapshot is older; but it can be deleted once only.
        select ctid from stat_pending where (select count(*) from progress) > 0 order by id limit ${limit}
      ),
      due as (
        delete from stat_pending where ctid = any (array (select ctid from waiting)) returning order_id, version
      ),
      added as (
        insert into stat (sku, day, currency, ${sql.unsafe(COLUMNS)})
        select sku, day, currency, ${sql.unsafe(COLUMNS)}
        from (${figuresOf(
          sql,
          sql`select order_id, version, stage, at from due join order_event using (order_id, version)`,
        )}) as change
        on conflict (sku, day, currency) do update set ${sql.unsafe(SUMS)}
      ),
      told as (
        update stat_progress
        set
          batches = batches + 1,
          counted_until = case
            -- When this statement began: whatever had committed by then was there to be taken.
            when (select count(*) from waiting) < ${limit} then greatest(counted_until, now())
            else counted_until
          end
        from progress
        where stat_progress.id = progress.id
      )
      select
        exists (select from progress) as "mayCount", (select count(*) from waiting) as looked, (select count(*) from due) as counted
    `,
  );
  if (!batch?.mayCount) return 'paused';
  return { counted: batch.counted, isDone: batch.looked < limit };
}

/** Longer than a page of a comparison may take. */
const PAUSE = '5 seconds';

/**
 * Lets nobody count for the next seconds; whoever counts now ends before it returns.
 * @returns how many batches were counted until now.
 */
export async function pauseCounting(database: Database): Promise<number> {
  const [progress] = await database.run(
    ({ sql }) => sql<{ batches: number }[]>`
      update stat_progress set paused_until = clock_timestamp() + ${PAUSE}::text::interval returning batches
    `,
  );
  if (!progress) throw new Error('The only row of stat_progress is missing.');
  return progress.batches;
}

/** Ends a pause, also another's: who compares notices what is counted meanwhile. */
export async function resumeCounting(database: Database): Promise<void> {
  await database.run(({ sql }) => sql`update stat_progress set paused_until = clock_timestamp()`);
}
