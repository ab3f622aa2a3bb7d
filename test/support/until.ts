import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 15;
const PATIENCE_MS = 15_000;

/** Resolves with the first answer that is not undefined; fails, naming what never came, when patience ends. */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined>,
  patience = PATIENCE_MS,
): Promise<T> {
  const givenUpAt = Date.now() + patience;
  while (Date.now() < givenUpAt) {
    const found = await look();
    if (found !== undefined) return found;
    await delay(POLL_MS);
  }
  throw new Error(`Waited ${patience / 1_000} s in vain for ${what}.`);
}
