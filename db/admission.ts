/** The tickets of orders that were refused for load: when each may come again, for every API process to see. */
import type { Database } from './connection.ts';
import type { KeyedCall } from './idempotency.ts';

/** A ticket is worthless this long after it was due. */
const KEPT_SECONDS = 60;
/** A process that has given no ticket for this long is no longer under load, or is gone. */
const PACE_COUNTS_SECONDS = 5;

/** A call that may be refused for load. */
export type RefusableCall = Pick<KeyedCall, 'caller' | 'shop' | 'key'>;

export interface KeyState {
  /** A request works on the key's order, or did: it was let in, here or elsewhere. */
  begun: boolean;
  /** Milliseconds until the time that its caller was given; negative afterwards, null without a ticket. */
  dueInMs: number | null;
}

/** The state of each call of `operation`, in one statement for all of them and in their order. */
export async function findKeyStates(
  database: Database,
  operation: string,
  calls: readonly RefusableCall[],
): Promise<KeyState[]> {
  return database.run(
    ({ sql }) => sql<KeyState[]>`
      select
        exists (
          select from idempotency_key as kept
          where
            kept.operation = ${operation} and kept.key = asked.key
            -- Its own, or one from before 0.6, which has no caller.
            and (kept.caller = asked.caller or (kept.caller = '' and kept.shop_id = asked.shop))
        ) as begun,
        extract(epoch from ticket.due - now())::float8 * 1000 as "dueInMs"
      from
        rows from (
          jsonb_to_recordset(${JSON.stringify(calls)}::jsonb) as (caller text, shop text, key text)
        ) with ordinality as asked (caller, shop, key, place)
      left join admission_ticket as ticket on ticket.caller = asked.caller and ticket.key = asked.key
      order by asked.place
    `,
  );
}

/** How many orders per second an API process places. */
export interface Pace {
  /** An id of this process. */
  process: string;
  perSecond: number;
}

/** What the caller of a refused call was promised. */
export interface Ticket extends RefusableCall {
  /** Until it may come again. */
  seconds: number;
}

/**
 * Keeps tickets. A call's last ticket counts. Records this process's pace, and returns the paces
 * of the other processes that give tickets.
 */
export async function keepTickets(
  database: Database,
  tickets: readonly Ticket[],
  { process, perSecond }: Pace,
): Promise<number[]> {
  const others = await database.run(
    ({ sql }) => sql<{ perSecond: number }[]>`
      with tickets as (
        insert into admission_ticket (caller, key, due)
        select caller, key, now() + seconds * interval '1 second'
        from jsonb_to_recordset(${JSON.stringify(tickets)}::jsonb) as ticket (caller text, key text, seconds float8)
        -- Two processes may refuse the same calls at once: in the keys' order, they do not deadlock.
        order by caller, key
        on conflict (caller, key) do update set due = excluded.due
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
