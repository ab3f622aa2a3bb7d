/** Tells the audit with what settings a process was started. */
import { setTimeout as delay } from 'node:timers/promises';
import { redactSettings } from '../process/redaction.ts';
import type { Database } from './connection.ts';

const RETRY_MS = 5_000;

/**
 * Records what changed since a process of this name was last started, without secrets. Processes start before their servers, so it tries
 * until PostgreSQL has recorded it or the signal fires.
 * @param process such as `api`. Those that are called alike are taken to be set alike.
 */
export async function recordSettings(
  database: Database,
  process: string,
  settings: object,
  { signal, report }: { signal: AbortSignal; report: (error: unknown) => void },
): Promise<void> {
  const redacted = redactSettings(settings);
  while (!signal.aborted) {
    try {
      await database.run(({ sql }) => sql`select record_settings(${process}, ${redacted}::text::json)`);
      return;
    } catch (error) {
      report(error);
      await delay(RETRY_MS, undefined, { signal }).catch(() => {});
    }
  }
}
