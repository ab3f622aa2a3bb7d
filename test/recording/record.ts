/** Plays every path on the real servers and keeps its history, for `npm run histories`. */
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, test } from 'vitest';
import { startRelay } from '../support/payments.ts';
import { startProvider } from '../support/provider.ts';
import { startReceiver } from '../support/receiver.ts';
import { startSystem } from '../support/system.ts';
import { keepHistory } from './keep-history.ts';
import { PATHS } from './paths.ts';
import { VERSION } from './version.ts';

const FOLDER = fileURLToPath(new URL(`../histories/${VERSION}/`, import.meta.url));

// Longer than a step that is soon unlocked needs, so that only the paths about marks have a mark.
const receiver = await startReceiver();
afterAll(() => receiver.down());
const relay = await startRelay();
const provider = await startProvider({ notify: relay.url });
const system = await startSystem({
  attentionAfter: 1_000,
  webhooks: true,
  payments: { provider: provider.settings },
  monitor: { receivers: { webhook: receiver.url } },
});
relay.to(system.send);
await mkdir(FOLDER, { recursive: true });

test.each(Object.entries(PATHS))('records %s', async (name, play) => {
  await keepHistory(system, play, `${FOLDER}${name}.json`);
});
