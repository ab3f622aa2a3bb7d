/** Publishes what happens to orders, as long as the worker runs. */
import { setTimeout as delay } from 'node:timers/promises';
import { publishEvents, PUBLISHED_AT_ONCE, type JustPublished } from '../db/events/publish.ts';
import type { Database } from '../db/database.ts';

/** How long an event waits at most while all is well. Asking in vain costs PostgreSQL some 0.3 ms. */
const PAUSE_MS = 200;
const PAUSE_AFTER_FAILURE_MS = 1_000;

export interface Publishing {
  signal: AbortSignal;
  /** Passes on what was published. Nothing waits for it but the next events, and what it fails with is reported. */
  onPublished?: (published: readonly JustPublished[]) => Promise<void> | void;
  /** Gets the first error of those that follow each other without a success between them. */
  report: (error: unknown) => void;
}

/** Resolves once the signal has fired. Every worker process does this: one of them publishes at a time, and any of them may end. */
export async function keepPublishing(
  database: Database,
  { signal, onPublished, report }: Publishing,
): Promise<void> {
  let isFailing = false;
  while (!signal.aborted) {
    let pause = PAUSE_MS;
    try {
      const published = await publishEvents(database);
      // More may be waiting.
      if (published.length === PUBLISHED_AT_ONCE) pause = 0;
      if (published.length > 0) await onPublished?.(published);
      isFailing = false;
    } catch (error) {
      if (!isFailing) report(error);
      isFailing = true;
      pause = PAUSE_AFTER_FAILURE_MS;
    }
    await delay(pause, undefined, { signal }).catch(() => {});
  }
}
