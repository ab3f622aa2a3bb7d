/** The tickets of orders that were refused for load: when each may come again, for every API process to see. */
import type { Database } from './connection.ts';

/** A ticket is worthless this long after it was due. */
const KEPT_SECONDS = 60;
/** A process that has given no ticket for this long is no longer under load, or is gone. */
const PACE_COUNTS_SECONDS = 5;

export interface KeyState {
  /** A request works on the key's order, or did: it was let in, here or elsewhere. */
  begun: boolean;
  /** Milliseconds until the time that its caller was given; negative afterwards, null without a ticket. */
  dueInMs: number | null;
}

/** The state of each key of `operation`, in one statement for all of them. */
export async function findKeyStates(
  database: Database,
  operation: string,
  keys: readonly string[],
): Promise<Map<string, KeyState>> {
  const rows = await database.run(
    ({ sql }) => sql<(KeyState & { key: string })[]>`
      select
        asked.key,
        kept.key is not null as begun,
        extract(epoch from ticket.due - now())::float8 * 1000 as "dueInMs"
      from jsonb_array_elements_text(${JSON.stringify(keys)}::jsonb) as asked (key)
      left join idempotency_key as kept on kept.operation = ${operation} and kept.key = asked.key
      left join admission_ticket as ticket on ticket.key = asked.key
    `,
  );
  return new Map(rows.map(({ key, begun, dueInMs }) => [key, { begun, dueInMs }]));
}

/** How many orders per second an API process places. */
export interface Pace {
  /** An id of this process. */
  process: string;
  perSecond: number;
}

/**
 * Keeps tickets: by key, the seconds until each is due. A key's last ticket counts. Records this process's pace, and returns the paces
 * of the other processes that give tickets.
 */
export async function keepTickets(
  database: Database,
  tickets: ReadonlyMap<string, number>,
  { process, perSecond }: Pace,
): Promise<number[]> {
  const rows = JSON.stringify([...tickets].map(([key, seconds]) => ({ key, seconds })));
  const others = await database.run(
    ({ sql }) => sql<{ perSecond: number }[]>`
      with tickets as (
        insert into admission_ticket (key, due)
        select key, now() + seconds * interval '1 second'
        from jsonb_to_recordset(${rows}::jsonb) as ticket (key text, seconds float8)
        -- Two processes may refuse the same keys at once: in key order, they do not deadlock.
        order by key
        on conflict (key) do update set due = excluded.due
      ),
      pace as (
        insert into admission_pace (process, per_second, seen_at)
        values (${process}, ${perSecond}, now())
        on conflict (process) do update set per_second = excluded.per_second, seen_at = excluded.seen_at
      )
      select per_second as "perSecond" from admission_pace
      where process <> ${process} and seen_at > now() - ${PACE_COUNTS_SECONDS} * interval '1 second'
    `,
  );
  return others.map((other) => other.perSecond);
}

/** Drops tickets whose callers did not come back, and processes that no longer give any. */
export async function dropOldTickets(database: Database): Promise<void> {
  await database.run(
    ({ sql }) => sql`
      with paces as (
        delete from admission_pace where seen_at < now() - ${KEPT_SECONDS} * interval '1 second'
      )
      delete from admission_ticket where due < now() - ${KEPT_SECONDS} * interval '1 second'
    `,
  );
}
