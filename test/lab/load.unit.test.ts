/** The load driver of the lab: how many numbers run at once, when each begins, and how a load ends. */
import { expect, test } from 'vitest';
import { load, startLoad } from '../../lab/harness/load.ts';

const { signal } = new AbortController();

/** Resolves when it is released. */
function gate() {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { passed: promise, open: resolve };
}

test('a load of a fixed count runs each number once, with no more at a time than there are callers', async () => {
  const numbers: number[] = [];
  let atWork = 0;
  let most = 0;
  const { completed } = await load({ callers: 3, count: 10, signal }, async (number) => {
    numbers.push(number);
    atWork += 1;
    most = Math.max(most, atWork);
    await Promise.resolve();
    atWork -= 1;
  });
  expect(completed).toBe(10);
  expect(numbers).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(most).toBe(3);
});

test('a load of a fixed duration finishes and counts what has begun by its end', async () => {
  const slow = gate();
  const running = startLoad({ callers: 1, seconds: 0.01, signal }, () => slow.passed);
  setTimeout(slow.open, 50);
  expect((await running.done).completed).toBe(1);
});

test('a load with a rate begins no number before its time', async () => {
  const begunAt: number[] = [];
  const start = performance.now();
  await load({ callers: 4, count: 4, perSecond: 50, signal }, async () => {
    begunAt.push(performance.now() - start);
  });
  // Timers may fire a millisecond early.
  begunAt.forEach((at, number) => expect(at).toBeGreaterThan(number * 20 - 2));
});

test('a load reports that its last number has begun while callers are still at work', async () => {
  const held = gate();
  const running = startLoad({ callers: 2, count: 2, signal }, () => held.passed);
  await running.begun;
  expect(running.rate().completed).toBe(0);
  held.open();
  expect(await running.done).toMatchObject({ completed: 2 });
});

test('a load that is stopped begins nothing more, not even what waits for its time, and ends without an error', async () => {
  const running = startLoad({ callers: 2, count: 100, perSecond: 0.001, signal }, async () => {});
  running.stop();
  expect((await running.done).completed).toBeLessThanOrEqual(1);
});

test('the first failure ends a load with its error, even if another caller never returns', async () => {
  const never = new Promise<void>(() => {});
  const running = load({ callers: 2, count: 100, signal }, async (number) => {
    if (number === 0) return never;
    throw new Error('refused');
  });
  await expect(running).rejects.toThrow('refused');
});

test('an aborted load rejects at once with the reason', async () => {
  const aborting = new AbortController();
  const never = new Promise<void>(() => {});
  const running = load({ callers: 2, count: 2, signal: aborting.signal }, () => never);
  aborting.abort(new Error('interrupted'));
  await expect(running).rejects.toThrow('interrupted');
});
