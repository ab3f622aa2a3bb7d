/** The examples do what they say, against the running API. */
import { execFile } from 'node:child_process';
import { globSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, expect, inject, test } from 'vitest';
import { expectRulesHold } from '../support/database.ts';
import { serve } from '../support/http.ts';
import { startProvider } from '../support/provider.ts';
import { startScript } from '../support/server-process.ts';
import { startSystem } from '../support/system.ts';
import { until } from '../support/until.ts';

const FOLDER = fileURLToPath(new URL('../../examples/', import.meta.url));

const { settings: provider } = await startProvider();
const system = await startSystem({ webhooks: true, payments: { provider } });
const wire = await serve(system);
const scratch = mkdtempSync(join(tmpdir(), 'holdfast-examples-'));
afterAll(() => rmSync(scratch, { recursive: true }));
afterAll(() => expectRulesHold(system.sql));

const environment = () => ({ HOLDFAST_ADDRESS: wire.url, HOLDFAST_KEY: inject('developmentKey') });

const tried = new Set<string>();

/** Resolves with what it prints. Fails when it does. */
async function run(example: string, ...args: string[]): Promise<string> {
  tried.add(example);
  const program = example.endsWith('.ts') ? process.execPath : 'bash';
  const { stdout } = await promisify(execFile)(program, [join(FOLDER, example), ...args], {
    env: { ...process.env, ...environment() },
    timeout: 50_000,
  });
  return stdout;
}

test.each([
  ['order.sh', /^(\S+) is paid\.\n\1 is refunded\.\n1 awaiting_payment\n2 paid\n3 refunded\n$/],
  [
    'order.ts',
    /^(\S+) waits for payment until \S+\.\nThe wallet is empty: .*\nOne mug was broken: 1290 of 2580 is returned, and the order is paid\.\nThe other one too: the order is refunded\.\n(\S+ -?\d+, then \d+\n){4}$/,
  ],
  [
    'pay-in-parts.ts',
    /^1000 of 2490 come from the wallet\.\nThe first card is declined: .*\n1490 come through the provider\.\norder\.awaiting_payment\norder\.paid\n510 go back to the wallet\.\n1490 go back to the card\.\n$/,
  ],
])('%s plays an order, and nothing happens twice when it runs again', async (example, printed) => {
  const first = await run(example);
  expect(first).toMatch(printed);
  expect(await run(example)).toBe(first);
});

test('follow-order.ts shows an order to its end, while it happens and later', async () => {
  const followed = await run('follow-order.ts');
  const [, orderId = ''] =
    /^(\S+)-1: awaiting_payment\n\1-2: cancelled \(changed my mind\)\nNothing more will happen to it\.\n$/.exec(
      followed,
    ) ?? expect.fail(followed);
  expect(await run('follow-order.ts', orderId)).toBe(followed);
});

test('events.sh and events.ts list the same events, and events.ts goes on where it stopped', async () => {
  const file = join(scratch, 'cursor');
  const walletId = await system.shop.wallet(1_000);
  await system.shop.placed(walletId, await system.shop.sku(1));
  const events = await run('events.ts', file);
  expect(events).toMatch(/^1 order\.awaiting_payment \S+\n/);
  expect(await run('events.sh')).toBe(events);
  const orderId = await system.shop.placed(walletId, await system.shop.sku(1));
  const next = events.trimEnd().split('\n').length + 1;
  expect(await run('events.ts', file)).toBe(`${next} order.awaiting_payment ${orderId}\n`);
});

test('webhook-receiver.ts prints what is sent to it, once, and takes its webhook away when it is stopped', async () => {
  tried.add('webhook-receiver.ts');
  const receiver = startScript(join(FOLDER, 'webhook-receiver.ts'), environment());
  const says = (what: string) =>
    until(`the receiver to print "${what}"`, async () => receiver.output().includes(what));
  await says('Waiting for events, with two secrets.');
  const walletId = await system.shop.wallet(1_000);
  const orderId = await system.shop.placed(walletId, await system.shop.sku(1));
  await system.shop.pay(orderId);
  await says(`order.paid ${orderId}`);
  // At the latest along with the next event.
  await says('The webhook works.');
  expect(
    receiver
      .output()
      .split('\n')
      .filter((line) => line.includes(orderId)),
  ).toEqual([`order.awaiting_payment ${orderId}`, `order.paid ${orderId}`]);
  expect(await receiver.stop(), receiver.output()).toBe(0);
  expect(await system.sql`select from webhook where state = 'active'`).toHaveLength(0);
});

test('every example is tried', () => {
  expect(globSync('*.{ts,sh}', { cwd: FOLDER }).filter((example) => !tried.has(example))).toEqual([]);
});
