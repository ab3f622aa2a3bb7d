/** Hears from PostgreSQL which orders have new events, for as long as somebody wants to know. */
import { setTimeout as delay } from 'node:timers/promises';
import { EVENT_CHANNEL } from '../../domain/events.ts';
import type { DatabasePool } from '../connection.ts';

export interface EventListener {
  /** Events of these orders were published. */
  news: (orderIds: readonly string[]) => void;
  /** Something may have been missed: look at every order. Also called now and then when nothing was. */
  missed: () => void;
  report: (error: unknown) => void;
}

/** How late an event may be when nobody noticed that its notification was lost. */
export const CHECK_MS = 10_000;
const RETRY_MS = 1_000;
/** Said to ourselves, to find out whether anything arrives. */
const NOTHING = '';

/**
 * A lost connection is opened again. One that fell silent is found because what this process says itself does not arrive.
 * @returns ends it.
 */
export function listenForEvents(
  database: Pick<DatabasePool, 'listen' | 'run'>,
  { news, missed, report }: EventListener,
  checkMs: number = CHECK_MS,
): () => void {
  const stopping = new AbortController();
  const { signal } = stopping;
  const pause = (ms: number) => delay(ms, undefined, { signal }).catch(() => {});
  let hasArrived = false;

  async function untilSilent(): Promise<void> {
    const end = await database.listen(EVENT_CHANNEL, {
      heard(message) {
        hasArrived = true;
        if (message !== NOTHING) news(message.split(','));
      },
      listening: missed,
    });
    try {
      do {
        hasArrived = false;
        await database.run(({ sql }) => sql`select pg_notify(${EVENT_CHANNEL}, ${NOTHING})`);
        await pause(checkMs);
        if (!signal.aborted) missed();
      } while (hasArrived && !signal.aborted);
    } finally {
      end();
    }
  }

  async function keepListening(): Promise<void> {
    while (!signal.aborted) {
      try {
        await untilSilent();
      } catch (error) {
        report(error);
      }
      await pause(RETRY_MS);
    }
  }
  void keepListening();
  return () => stopping.abort();
}
