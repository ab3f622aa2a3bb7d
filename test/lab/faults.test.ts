/** The fault run: the command as a user runs it, with its real processes killed, paused and cut off, and its checker. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, inject, test } from 'vitest';
import { z } from 'zod';
import { checkHistory } from '../../lab/faults/history-checker.ts';
import type { BuyerHistory, Heard, Operation } from '../../lab/faults/history.ts';
import type { Recorded } from '../../lab/faults/recorded.ts';
import { startScript, type TestProcess } from '../support/server-process.ts';

/**
 * Everything is in proportion to the shorter window, so that the run takes about a minute. The faults do not last longer on a
 * busy machine: there are enough callers that no order waits for one. With this seed the first four kills hit all four
 * servers, and the first three network faults are of three kinds.
 */
const SHORTENED =
  '--orders 150 --seed 23 --one --every 2-4 --longest 6 --arrivals 3 --callers 100 --window 8s'.split(' ');

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
  expect(figures.orders.all).toBe(150);
  // Each server, and everything at once; a busy machine leaves time for no more.
  expect(figures.faults.all).toBeGreaterThanOrEqual(5);
  for (const [name, times] of Object.entries(figures.faults.killsOf))
    expect(times, `kills of ${name}`).toBeGreaterThan(0);
  expect(figures.faults.byKind['everything at once']).toBeGreaterThan(0);
  expect(figures.expiryLag.everythingDown.orders, 'orders due while everything was down').toBeGreaterThan(0);
  expect(figures.recovery).toBeLessThan(60_000);
}, 280_000);

const ORDER = '01a206f8-c637-74cb-94ac-5ec432612e58';

/** A buyer who paid, whose second payment was refused, and who got the money back. */
const TRUTH: readonly Heard[] = [
  { operation: 'create', key: 'one', status: 201, body: { id: ORDER, stage: 'awaiting_payment' } },
  { operation: 'pay', key: 'one pay 1', status: 200, body: { id: ORDER, stage: 'paid' } },
  { operation: 'pay', key: 'one pay 2', status: 422, body: { code: 'insufficient_funds' } },
  { operation: 'refund', key: 'one refund 3', status: 200, body: { id: ORDER, stage: 'refunded' } },
];

const RECORDED: Recorded = {
  orders: new Map([
    [
      ORDER,
      {
        id: ORDER,
        stage: 'refunded',
        deadline: new Date('2026-11-23T06:09:56Z'),
        payments: 1,
        paidAt: new Date('2026-11-23T06:00:00Z'),
        expiredAt: null,
        expiryRecordedAt: null,
      },
    ],
  ]),
  idOfKey: new Map([['one', ORDER]]),
  commands: new Map([
    ['one pay 1', { effect: 'paid', kept: 200 }],
    ['one pay 2', { effect: null, kept: 422 }],
    ['one refund 3', { effect: 'refunded', kept: 200 }],
  ]),
  deposits: new Map(),
  attentionMarks: 0,
};

function findingsOn(heard: readonly Heard[], commands = RECORDED.commands): string[] {
  const sent = heard.map(({ operation, key }) => ({ operation, request: { path: '', key } }));
  const orderIds = new Set([ORDER]);
  const buyer: BuyerHistory = { key: 'one', behaviour: 'pays', sent, heard: [...heard], orderIds };
  const found = checkHistory({ buyers: [buyer], deposits: [] }, { ...RECORDED, commands });
  return found.map(({ rule, finding }) => `${rule}: ${finding}`);
}

test('the checker of a fault run finds no violation when every answer is true, however often it is given', () => {
  expect(findingsOn([...TRUTH, ...TRUTH])).toEqual([]);
});

const COMMAND = 'every caller knows the outcome of its own command';
const plant = (operation: Operation, lie: Partial<Heard>): Heard[] =>
  TRUTH.map((heard) =>
    heard.operation === operation && heard.status === 200 ? { ...heard, ...lie } : heard,
  );

test.each([
  {
    lie: 'a caller whose payment was taken hears that it was refused',
    heard: plant('pay', { status: 409, body: { code: 'order_expired' } }),
    commands: { 'one pay 1': { effect: 'paid', kept: 409 } },
    finding: `${COMMAND}: pay was answered 409 order_expired, but this very command made the order paid`,
  },
  {
    lie: 'a caller hears that its refund was made, and another command made it',
    heard: TRUTH,
    commands: { 'one refund 3': { effect: null, kept: 200 } },
    finding: `${COMMAND}: refund was answered 200 refunded, but this command moved no order`,
  },
  {
    lie: 'a refund is answered with a stage that no refund leads to',
    heard: plant('refund', { body: { id: ORDER, stage: 'paid' } }),
    commands: {},
    finding: `${COMMAND}: refund was answered 200 paid, but that is no success`,
  },
  {
    lie: 'the answer that is kept under a key is not the one that its caller heard',
    heard: TRUTH,
    commands: { 'one pay 1': { effect: 'paid', kept: 409 } },
    finding: `${COMMAND}: pay was answered 200 paid, but the answer that is kept is 409`,
  },
  {
    lie: 'the same key gets another answer when it is sent again at the end',
    heard: [
      ...TRUTH,
      { operation: 'pay' as const, key: 'one pay 2', status: 409, body: { code: 'order_expired' } },
    ],
    commands: { 'one pay 2': { effect: null, kept: null } },
    finding:
      'every answer to one key is the same: pay was answered 422 insufficient_funds and 409 order_expired',
  },
])('the checker of a fault run reports a violation when $lie', ({ heard, commands, finding }) => {
  expect(findingsOn(heard, new Map([...RECORDED.commands, ...Object.entries(commands)]))).toContain(finding);
});

test.each([
  ['--orders', '99', 'It must be a whole number from 100 to 1000000.'],
  ['--every', '10-5', 'It must be a span of seconds such as 5-10.'],
  ['--longest', '2', 'It must be a whole number from 3 to 1000000.'],
  ['--window', '15', 'It must be a duration from 5s to 60s.'],
])(
  'a fault run refuses to start with %s %s, and says which values it takes',
  async (option, value, sentence) => {
    const { code, output } = await runFaults(option, value);
    expect(output).toContain(sentence);
    expect(code).toBe(2);
  },
);
