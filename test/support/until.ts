/** Waits for what the real servers do in their own time. */
import { setTimeout as delay } from 'node:timers/promises';

const PATIENCE_MS = 15_000;
/** Each pause is a tenth of the wait so far: asking costs the servers the time that they need to get there. */
const PAUSES_PER_WAIT = 10;
const SHORTEST_PAUSE_MS = 10;
const LONGEST_PAUSE_MS = 200;

/** Resolves with the first answer that is neither false nor undefined; when patience ends, fails and names what never happened. */
export async function until<T>(
  what: string,
  look: () => Promise<T | false | undefined>,
  patience = PATIENCE_MS,
): Promise<T> {
  const startedAt = Date.now();
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    const waited = Date.now() - startedAt;
    if (waited >= patience) break;
    await delay(Math.min(Math.max(waited / PAUSES_PER_WAIT, SHORTEST_PAUSE_MS), LONGEST_PAUSE_MS));
  }
  throw new Error(`Waited ${patience / 1_000} s in vain for ${what}.`);
}
