/** A short fault run: the command as a user runs it, with its real processes killed, paused and cut off. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, inject, test } from 'vitest';
import { z } from 'zod';

/**
 * In proportion to the shorter window everything is, so that it takes about a minute. The storm does not last longer on a busy
 * machine, for there are callers enough not to wait for each other. With this seed the first four kills hit all four, and the first three
 * network faults are of three kinds.
 */
const SHORTENED =
  '--orders 150 --seed 23 --one --every 2-4 --longest 6 --arrivals 3 --callers 100 --window 8s'.split(' ');
const ROOT = fileURLToPath(new URL('..', import.meta.url));

const figuresSchema = z.object({
  orders: z.object({ all: z.number() }),
  faults: z.object({
    all: z.number(),
    byKind: z.record(z.string(), z.number()),
    killsOf: z.record(z.string(), z.number()),
  }),
  expiryLag: z.object({ everythingDown: z.object({ orders: z.number() }) }),
  recovery: z.number(),
  rates: z.object({ recovered: z.number() }),
  violations: z.array(z.object({ rule: z.string(), subject: z.string(), finding: z.string() })),
});

const folder = await mkdtemp(join(tmpdir(), 'holdfast-faults-test-'));
const children: ChildProcess[] = [];

afterAll(async () => {
  for (const child of children.filter(
    ({ exitCode, signalCode }) => exitCode === null && signalCode === null,
  )) {
    // It stops what it started, and then itself.
    child.kill('SIGTERM');
    await once(child, 'close', { signal: AbortSignal.timeout(30_000) });
  }
  await rm(folder, { recursive: true, force: true });
});

/** Resolves with all that it printed. */
async function runFaults(...args: string[]): Promise<{ code: unknown; output: string }> {
  const child = spawn(process.execPath, ['faults/run.ts', ...args], {
    cwd: ROOT,
    env: { ...process.env, TEMPORAL_CLI: inject('temporalCli') },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const [code]: unknown[] = await once(child, 'close');
  return { code, output };
}

test('orders survive a short storm of faults', async () => {
  const json = join(folder, 'figures.json');
  const { code, output } = await runFaults(...SHORTENED, '--json', json);
  // The output names the violations, and where data and logs are.
  expect(code, output).toBe(0);
  const figures = figuresSchema.parse(JSON.parse(await readFile(json, 'utf8')));
  expect(figures.violations).toEqual([]);
  expect(figures.orders.all).toBe(150);
  // Each process, and everything at once; a busy machine leaves time for no more.
  expect(figures.faults.all).toBeGreaterThanOrEqual(5);
  for (const [name, times] of Object.entries(figures.faults.killsOf))
    expect(times, `kills of ${name}`).toBeGreaterThan(0);
  expect(figures.faults.byKind['everything at once']).toBeGreaterThan(0);
  expect(figures.expiryLag.everythingDown.orders, 'orders due while everything was down').toBeGreaterThan(0);
  expect(figures.recovery).toBeLessThan(60_000);
}, 280_000);

test.each([
  ['--orders', '99', '--orders is an integer of at least 100, and not "99".'],
  ['--every', '10-5', '--every is a span of seconds such as 5-10, and not "10-5".'],
  ['--longest', '2', '--longest is an integer of at least 3, and not "2".'],
  ['--window', '15', '--window is a duration from 5s to 60s, and not "15".'],
])('a fault run refuses %s %s', async (option, value, sentence) => {
  const { code, output } = await runFaults(option, value);
  expect(output).toContain(sentence);
  expect(code).toBe(1);
});
