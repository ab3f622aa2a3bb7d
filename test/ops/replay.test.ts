/** `npm run replay` replays every open workflow, and says how many of them it replayed. */
import { expect, inject, test } from 'vitest';
import { WORKFLOW } from '../../workflows/messages.ts';
import { startScript } from '../support/server-process.ts';
import { startSystem } from '../support/system.ts';
import { until } from '../support/until.ts';

const system = await startSystem({ ownNamespace: true });
const { shop, client } = system;

const TYPES = Object.values(WORKFLOW)
  .map((type) => `'${type}'`)
  .join(', ');
const count = async (status: string): Promise<number> =>
  (await client.workflow.count(`WorkflowType IN (${TYPES}) AND ExecutionStatus ${status} 'Running'`)).count;

async function replay(...args: string[]) {
  const started = startScript(
    'ops/replay.ts',
    {
      DATABASE_URL: system.url,
      TEMPORAL_ADDRESS: inject('temporalAddress'),
      TEMPORAL_NAMESPACE: system.namespace,
    },
    { args },
  );
  return { code: await started.ended, output: started.output() };
}

test('a replay with a limit says so, leaves out only workflows that have ended, and says how to replay the rest', async () => {
  const wallet = await shop.wallet(10_000);
  const sku = await shop.sku(20);
  const open = [];
  for (let order = 0; order < 3; order++) open.push(await shop.placed(wallet, sku));
  for (let order = 0; order < 3; order++) await shop.cancel(await shop.placed(wallet, sku));
  // The listing lags behind.
  await until('all of them to be listed', async () => (await count('=')) === 3 && (await count('!=')) === 3);
  const { code, output } = await replay('--limit', '1');
  expect(output).toBe(
    `4 of 6 workflows of ${inject('temporalAddress')} replayed (3 of 3 open, 1 of 3 ended), 0 do not fit this code.
The 2 that ended longest ago were left out; --limit 3 takes all of them.
`,
  );
  expect(code).toBe(0);
  for (const order of open) await shop.cancel(order);
});

test('a replay refuses a --limit that is not a whole number', async () => {
  expect(await replay('--limit=1e3')).toMatchObject({
    code: 2,
    output: expect.stringContaining('Usage:'),
  });
});
