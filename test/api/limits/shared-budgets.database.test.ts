/** All API processes share one limit for each caller, and a caller who waits as long as asked is let in by each of them. */
import { randomUUID } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { pino } from 'pino';
import { describe, expect, onTestFinished, test } from 'vitest';
import { SharedBudgets, type Verdict } from '../../../api/limits/shared-budgets.ts';
import { openDatabase } from '../../../db/connection.ts';
import type { Database } from '../../../db/database.ts';
import { freshDatabase } from '../../support/database.ts';
import { startProxy } from '../../support/proxy.ts';
import { until } from '../../support/until.ts';

const { database, sql, url } = await freshDatabase();
const proxy = await startProxy(url);
const WINDOW_MS = 60_000;
const logger = pino({ level: 'silent' });

/** No busy machine is mistaken for a database that does not answer. */
const PATIENCE_MS = 10_000;

interface ProcessOptions {
  windowMs?: number;
  over?: Database;
  patienceMs?: number;
}

/** Stands for an API process: it shares nothing with another one but the database. Its clock can be moved. */
class Process {
  statements = 0;
  #moved = 0;
  readonly #underWay = new Set<Promise<unknown>>();
  readonly budgets: SharedBudgets;

  constructor(
    quota: number,
    { windowMs = WINDOW_MS, over = database, patienceMs = PATIENCE_MS }: ProcessOptions = {},
  ) {
    const counting: Database = {
      run: (query) => {
        this.statements += 1;
        const answer = over.run(query);
        this.#underWay.add(answer.catch(() => {}));
        return answer;
      },
      transaction: (work) => over.transaction(work),
    };
    const now = (): number => performance.now() + this.#moved;
    this.budgets = new SharedBudgets({
      database: counting,
      logger,
      name: 'test',
      quota,
      windowMs,
      patienceMs,
      now,
    });
  }

  /** Sends requests at once, and returns how many are let in. */
  async send(caller: string, count: number): Promise<number> {
    const verdicts = await Promise.all(Array.from({ length: count }, async () => this.budgets.take(caller)));
    return verdicts.filter(({ isWithin }) => isWithin).length;
  }

  /** Not while a statement is under way: its answer would be of another time. */
  async forward(milliseconds: number): Promise<void> {
    await Promise.all(this.#underWay);
    await setImmediate();
    this.#moved += milliseconds;
  }
}

/** Moves the time of the processes and, for this caller, that of the database. */
async function forward(milliseconds: number, caller: string, ...processes: Process[]): Promise<void> {
  for (const process of processes) await process.forward(milliseconds);
  await sql`
    update rate_limit set expires_at = expires_at - ${milliseconds} * interval '1 millisecond'
    where key like ${`test % ${caller}`}
  `;
}

const windowsOf = (caller: string) =>
  sql<{ isOpen: boolean }[]>`
    select expires_at > now() as "isOpen" from rate_limit where key like ${`test % ${caller}`}
  `;

/** The wait that a refused caller is asked for, in whole seconds. */
const waitOf = ({ resetInMs }: Verdict): number => Math.ceil(resetInMs / 1_000) * 1_000;

describe('two processes together', () => {
  test.each([3, 100, 1_000])('let in exactly a quota of %d when all is asked at once', async (quota) => {
    const [one, other, caller] = [new Process(quota), new Process(quota), randomUUID()];
    const admitted = await Promise.all([one.send(caller, quota), other.send(caller, quota)]);
    expect(admitted[0] + admitted[1]).toBe(quota);
  });

  test('never let in more than the quota, and hardly less, when requests come one after the other', async () => {
    const quota = 500;
    const [one, other, caller] = [new Process(quota), new Process(quota), randomUUID()];
    let admitted = 0;
    for (let sent = 0; sent < quota; sent += 1)
      admitted += await (sent % 3 === 0 ? one : other).send(caller, 1);
    expect(admitted).toBeLessThanOrEqual(quota);
    expect(admitted).toBeGreaterThan(0.9 * quota);
  });

  test('count callers apart from each other', async () => {
    const [one, other, caller, another] = [new Process(5), new Process(5), randomUUID(), randomUUID()];
    expect(await one.send(caller, 10)).toBe(5);
    expect(await other.send(caller, 10)).toBe(0);
    expect(await other.send(another, 10)).toBe(5);
  });

  test('both let in a caller who waits as long as either asked it to', async () => {
    const [one, other, caller] = [new Process(10), new Process(10), randomUUID()];
    expect(await one.send(caller, 20)).toBe(10);
    const refusedByOther = await other.budgets.take(caller);
    expect(refusedByOther).toMatchObject({ isWithin: false, left: 0 });
    const refused = await one.budgets.take(caller);
    expect(refused.isWithin).toBe(false);
    expect(refused.resetInMs).toBeGreaterThan(WINDOW_MS - 5_000);
    await forward(waitOf(refused), caller, one, other);
    expect(await other.budgets.take(caller)).toMatchObject({ isWithin: true });
    expect(await one.budgets.take(caller)).toMatchObject({ isWithin: true });
  });

  test('give a new window its whole quota and no unit more, whatever was left of the last one', async () => {
    const quota = 200;
    const [one, other, caller] = [new Process(quota), new Process(quota), randomUUID()];
    await one.send(caller, 60);
    await other.send(caller, 60);
    await forward(WINDOW_MS + 1_000, caller, one, other);
    const admitted = await Promise.all([one.send(caller, quota), other.send(caller, quota)]);
    expect(admitted[0] + admitted[1]).toBe(quota);
  });
});

test('a process says how many requests are left, and one less with each', async () => {
  const [process, caller] = [new Process(100), randomUUID()];
  const left = [];
  for (let sent = 0; sent < 101; sent += 1) left.push((await process.budgets.take(caller)).left);
  expect(left).toEqual([...Array.from({ length: 100 }, (_, index) => 99 - index), 0]);
});

test('a window of six thousand requests costs fewer than a hundred statements, and a refused caller none', async () => {
  const [process, caller] = [new Process(6_000), randomUUID()];
  for (let sent = 0; sent < 6_000; sent += 1)
    expect((await process.budgets.take(caller)).isWithin).toBe(true);
  expect(process.statements).toBeLessThan(100);
  const before = process.statements;
  expect(await process.send(caller, 500)).toBe(0);
  expect(process.statements).toBe(before);
});

test('a caller who sends little takes little from what other processes can give', async () => {
  const [one, other, caller] = [new Process(1_000), new Process(1_000), randomUUID()];
  expect(await one.send(caller, 1)).toBe(1);
  expect(await other.send(caller, 1_000)).toBeGreaterThanOrEqual(985);
});

test('a limit that is set anew holds at once, while other processes still have the earlier one', async () => {
  const [earlier, later, caller] = [new Process(3), new Process(5), randomUUID()];
  expect(await earlier.send(caller, 4)).toBe(3);
  expect(await later.send(caller, 6)).toBe(5);
  expect(await earlier.send(caller, 1)).toBe(0);
});

test('windows that ended are dropped', async () => {
  const [process, caller] = [new Process(5), randomUUID()];
  await process.send(caller, 1);
  await forward(2 * WINDOW_MS + 1_000, caller, process);
  await process.send(randomUUID(), 1);
  await until('the ended window to be gone', async () => (await windowsOf(caller)).length === 0);
});

test('while PostgreSQL does not answer, each process counts alone against the same quota, and shares again afterwards', async () => {
  const severed = openDatabase(proxy.through(url), { connections: 2, name: 'test' });
  onTestFinished(() => severed.close());
  const [process, caller] = [new Process(50, { over: severed, patienceMs: 300 }), randomUUID()];
  expect(await process.send(caller, 1)).toBe(1);
  proxy.cut();
  const startedAt = performance.now();
  expect(await process.send(caller, 100)).toBe(49);
  // One wait for the answer that did not come, and not one for each slice.
  expect(performance.now() - startedAt).toBeLessThan(1_000);
  proxy.heal();
  await process.forward(WINDOW_MS + 1_000);
  await until('the process to share again', async () => {
    await process.send(caller, 1);
    await process.forward(2_000);
    return (await windowsOf(caller)).some(({ isOpen }) => isOpen);
  });
});
