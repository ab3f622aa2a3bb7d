/** Plays every path on the real servers and keeps its history, for `npm run histories`. */
import { mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { afterAll, test } from 'vitest';
import { startRelay } from '../support/payments.ts';
import { startProvider } from '../support/provider.ts';
import { startReceiver } from '../support/receiver.ts';
import { startSystem } from '../support/system.ts';
import { until } from '../support/until.ts';
import { PATHS } from './paths.ts';
import { VERSION } from './version.ts';

const FOLDER = fileURLToPath(new URL(`../histories/${VERSION}/`, import.meta.url));

/** `process@host`; the name of a worker's own task queue begins with it, too. */
const WORKER_IDENTITY = /^\d+@/;

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
  const workflowId = await play(system);
  const handle = system.client.workflow.getHandle(workflowId);
  await until(`${workflowId} to end`, async () =>
    (await handle.describe()).status.name === 'RUNNING' ? undefined : true,
  );
  const history: unknown = JSON.parse(historyToJSON(await handle.fetchHistory()));
  await writeFile(`${FOLDER}${name}.json`, `${JSON.stringify(withoutMachine(history), null, 1)}\n`);
});

/** Leaves out the host and the folders it was recorded on, which would change with every recording. */
function withoutMachine(value: unknown): unknown {
  if (typeof value === 'string') return WORKER_IDENTITY.test(value) ? 'recorded' : value;
  if (Array.isArray(value)) return value.map(withoutMachine);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => name !== 'stackTrace')
      .map(([name, inner]) => [name, withoutMachine(inner)]),
  );
}
