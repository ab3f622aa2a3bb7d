/** The fault run: the command as a user runs it, with its real processes killed, paused and cut off. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, inject, test } from 'vitest';
import { z } from 'zod';
import { runScripts, startScript, type TestProcess } from '../support/server-process.ts';

/**
 * Everything is in proportion to the shorter window, so that the run takes about a minute. The faults do not last longer on a
 * busy machine: there are enough callers that no order waits for one. What the
 * first kills do not hit is killed at the end.
 */
const SHORTENED =
  '--orders 120 --seed 23 --one --every 2-4 --longest 6 --arrivals 3 --callers 100 --window 8s'.split(' ');

const figuresSchema = z.object({
  orders: z.object({ all: z.number() }),
  refunds: z.object({ inPart: z.number() }),
  payments: z.object({ notifications: z.number(), byState: z.record(z.string(), z.number()) }),
  faults: z.object({
    all: z.number(),
    byKind: z.record(z.string(), z.number()),
    killsOf: z.record(z.string(), z.number()),
  }),
  expiryLag: z.object({ everythingDown: z.object({ orders: z.number() }) }),
  events: z.array(z.object({ different: z.number(), kills: z.number() })),
  recovery: z.number(),
  rates: z.object({ recovered: z.number() }),
  violations: z.array(z.object({ rule: z.string(), subject: z.string(), finding: z.string() })),
});

const folder = await mkdtemp(join(tmpdir(), 'holdfast-faults-test-'));
const started: TestProcess[] = [];

afterAll(async () => {
  // Each stops what it started, and then itself.
  for (const run of started) await run.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Resolves with all that it printed. */
async function runFaults(...args: string[]): Promise<{ code: unknown; output: string }> {
  const environment = { TEMPORAL_CLI: inject('temporalCli') };
  const run = startScript('lab/faults/run.ts', environment, { args, endWith: 'SIGTERM' });
  started.push(run);
  return { code: await run.ended, output: run.output() };
}

test('every order survives a short fault run with its money, its units and its answers right', async () => {
  const json = join(folder, 'figures.json');
  const { code, output } = await runFaults(...SHORTENED, '--json', json);
  // The output names the violations, and where data and logs are.
  expect(code, output).toBe(0);
  const figures = figuresSchema.parse(JSON.parse(await readFile(json, 'utf8')));
  expect(figures.violations).toEqual([]);
  expect(figures.orders.all).toBe(120);
  expect(figures.refunds.inPart, 'refunds in part').toBeGreaterThan(0);
  const { payments } = figures;
  const methods = Object.keys(payments.byState).map((what) => what.split(' ')[0]);
  expect(methods, 'payments in parts').toEqual(expect.arrayContaining(['wallet', 'provider']));
  expect(payments.notifications, 'notifications of the provider').toBeGreaterThan(0);
  // Each server and the provider, and everything at once; a busy machine leaves time for no more.
  expect(figures.faults.all).toBeGreaterThanOrEqual(5);
  for (const [name, times] of Object.entries(figures.faults.killsOf))
    expect(times, `kills of ${name}`).toBeGreaterThan(0);
  expect(figures.faults.byKind['everything at once']).toBeGreaterThan(0);
  expect(figures.expiryLag.everythingDown.orders, 'orders due while everything was down').toBeGreaterThan(0);
  expect(figures.recovery).toBeLessThan(60_000);
  // Every order has an event at least, and each receiver was killed while they were sent.
  expect(figures.events).toHaveLength(2);
  for (const { different, kills } of figures.events) {
    expect(different).toBeGreaterThanOrEqual(120);
    expect(kills).toBeGreaterThan(0);
  }
}, 480_000);

const REFUSALS = {
  'lab/faults/run.ts --orders 99': 'It must be a whole number from 100 to 1000000.',
  'lab/faults/run.ts --every 10-5': 'It must be a span of seconds such as 5-10.',
  'lab/faults/run.ts --longest 2': 'It must be a whole number from 3 to 1000000.',
  'lab/faults/run.ts --window 15': 'It must be a duration from 5s to 60s.',
};

test('a fault run refuses to start with a value that an option does not take, and says which values it takes', async () => {
  const refused = await runScripts(Object.keys(REFUSALS), {}, { endWith: 'SIGTERM' });
  for (const [line, sentence] of Object.entries(REFUSALS))
    expect(refused.get(line), line).toEqual({ code: 2, output: expect.stringContaining(sentence) });
});
