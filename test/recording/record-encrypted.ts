/** Plays some paths with encrypted payloads, and keeps their histories. */
import { mkdir } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { ENCRYPTED_HISTORIES, RECORDED_KEYS } from '../support/encrypted-histories.ts';
import { startRelay } from '../support/payments.ts';
import { startProvider } from '../support/provider.ts';
import { startSystem } from '../support/system.ts';
import { keepHistory } from './keep-history.ts';
import { PATHS } from './paths.ts';

/** One of each kind of workflow that callers wait for, and of each way in which one is started. */
const RECORDED = [
  'paid-at-once',
  'paid-by-fallback-activity',
  'paid-in-parts',
  'payment-captured',
  'cancelled-in-web-ui',
  'refunded-with-restock',
  'stats-counted',
] as const;

const relay = await startRelay();
const provider = await startProvider({ notify: relay.url });
const system = await startSystem({
  attentionAfter: 1_000,
  payments: { provider: provider.settings },
  payloadKeys: RECORDED_KEYS,
});
relay.to(system.send);
await mkdir(ENCRYPTED_HISTORIES, { recursive: true });

test.each(RECORDED)('records %s', async (name) => {
  const play = PATHS[name];
  if (play === undefined) return expect.fail(`There is no path ${name}.`);
  await keepHistory(system, play, `${ENCRYPTED_HISTORIES}${name}.json`);
});
