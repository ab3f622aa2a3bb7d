/** How much of each limit was used in its window, for every API process to see. */
import type { Database } from './connection.ts';

/** A window that ended this long ago is dropped. */
const KEPT_SECONDS = 60;

export interface Lease {
  /** Distinguishes the limits. */
  name: string;
  caller: string;
  units: number;
  /** Units in a window. */
  quota: number;
  windowMs: number;
}

export interface Leased {
  /** Of the units that were asked for. */
  granted: number;
  /** Units that nobody has taken yet. */
  left: number;
  endsInMs: number;
}

/**
 * Takes units of a window for one process, or as many as there are left. The first lease after a window has ended begins the next one.
 * All processes go by the database's clock.
 */
export async function leaseUnits(
  database: Database,
  { name, caller, units, quota, windowMs }: Lease,
): Promise<Leased> {
  // A limit that is set anew holds at once, for the processes that have it.
  const key = `${name} ${quota}/${windowMs} ${caller}`;
  const [row] = await database.run(
    ({ sql }) => sql<{ used: number; endsInMs: number }[]>`
      insert into rate_limit as kept (key, points, expires_at)
      values (${key}, ${units}, now() + ${windowMs} * interval '1 millisecond')
      on conflict (key) do update set
        points = case
          when kept.expires_at <= now() then excluded.points
          -- What is asked beyond the quota is not counted, so that the row does not grow for as long as somebody asks.
          else least(kept.points, ${quota}) + excluded.points
        end,
        expires_at = case when kept.expires_at <= now() then excluded.expires_at else kept.expires_at end
      returning points as used, extract(epoch from expires_at - now())::float8 * 1000 as "endsInMs"
    `,
  );
  if (!row) throw new Error('An upsert returned no row.');
  const before = row.used - units;
  return {
    granted: Math.max(0, Math.min(units, quota - before)),
    left: Math.max(0, quota - row.used),
    endsInMs: row.endsInMs,
  };
}

/** Drops the windows of callers who did not come back. */
export async function dropEndedWindows(database: Database): Promise<void> {
  await database.run(
    ({ sql }) => sql`
      delete from rate_limit where expires_at < now() - ${KEPT_SECONDS} * interval '1 second'
    `,
  );
}
