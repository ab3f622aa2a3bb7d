/** Removes the idempotency keys that were kept for long enough. */
import type { Database } from './connection.ts';
import { tookTooLong } from './errors.ts';
import { CLOCKS_APART_MS, firstIdAt } from './ids.ts';

/** Where the next batch begins: after the key of this command. Command ids sort by the time at which their keys were first used. */
export type KeyCursor = string;

export interface RemovedKeys {
  removed: number;
  /** Null after the last key that is old enough. */
  next: KeyCursor | null;
}

/** Some 50 ms of work. */
const KEYS_AT_ONCE = 1_000;

/**
 * Removes keys batch by batch.
 * @param now since 1970, in milliseconds.
 * @param keepMs how long a key is kept after its request was last worked on and, if it placed an order, after that order last changed.
 * @param forMs no batch begins after this time.
 */
export async function removeOldKeys(
  database: Database,
  {
    now = Date.now(),
    keepMs,
    after,
    forMs,
  }: { now?: number; keepMs: number; after: KeyCursor | null; forMs: number },
): Promise<RemovedKeys> {
  const until = performance.now() + forMs;
  const end: RemovedKeys = { removed: 0, next: after };
  let limit = KEYS_AT_ONCE;
  do {
    try {
      const batch = await removeSome(database, { youngest: now - keepMs, after: end.next, limit });
      end.removed += batch.removed;
      end.next = batch.next;
      limit = Math.min(KEYS_AT_ONCE, 2 * limit);
    } catch (error) {
      if (limit === 1 || !tookTooLong(error)) throw error;
      limit = Math.ceil(limit / 8);
    }
  } while (end.next !== null && performance.now() < until);
  return end;
}

/** One batch in one statement, so that a key is judged as it is when it goes. */
async function removeSome(
  database: Database,
  { youngest, after, limit }: { youngest: number; after: KeyCursor | null; limit: number },
): Promise<RemovedKeys> {
  const before = new Date(youngest).toISOString();
  const beforeId = firstIdAt(new Date(youngest + CLOCKS_APART_MS).toISOString());
  const cursor = after ?? firstIdAt(new Date(0).toISOString());
  const [batch] = await database.run(
    ({ sql }) => sql<{ removed: number; next: KeyCursor | null }[]>`
      with page as materialized (
        select *
        from (
          -- Orders and everything else have an index each.
          (
            select command_id, caller, operation, key, month
            from idempotency_key
            where operation = 'createOrder' and command_id > ${cursor} and command_id < ${beforeId}
            order by command_id limit ${limit}
          )
          union all
          (
            select command_id, caller, operation, key, month
            from idempotency_key
            where operation <> 'createOrder' and command_id > ${cursor} and command_id < ${beforeId}
            order by command_id limit ${limit}
          )
        ) as oldest
        order by command_id
        limit ${limit}
      ),
      removed as (
        delete from idempotency_key as old
        using page
        where
          old.caller = page.caller and old.operation = page.operation and old.key = page.key and old.month = page.month
          -- Of the row as it is when it goes: somebody may have come back in the meantime.
          and (
            select needed_at from key_needed_at(old.operation, old.command_id, old.response_status, old.claimed_until)
          ) < ${before}
        returning old.key
      )
      select
        (select count(*) from removed)::integer as removed,
        case
          when (select count(*) from page) = ${limit} then (select command_id from page order by command_id desc limit 1)
        end as next
    `,
  );
  if (!batch) throw new Error('The statement that removes old keys returned no row.');
  return batch;
}
