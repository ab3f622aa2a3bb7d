import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 15;
const PATIENCE_MS = 15_000;

/** Resolves with the first answer that is not undefined; fails, naming what never came, after 15 s. */
export async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  const givenUpAt = Date.now() + PATIENCE_MS;
  while (Date.now() < givenUpAt) {
    const found = await look();
    if (found !== undefined) return found;
    await delay(POLL_MS);
  }
  throw new Error(`Waited ${PATIENCE_MS / 1_000} s in vain for ${what}.`);
}
