/** The admission algorithm in virtual time: what it promises, and what it learns from. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import {
  type AdmissionQueue,
  CallerGoneError,
  LONGEST_WAIT_MS,
  RefusedError,
} from '../../../api/admission/admission-queue.ts';
import { ConcurrencyLimit, TARGET_MS } from '../../../api/admission/concurrency-limit.ts';
import { Stragglers } from '../../../api/admission/stragglers.ts';
import {
  VirtualServer,
  inVirtualTime,
  newQueue,
  newQueues,
  type Admitted,
} from '../../support/virtual-server.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

const nobodyHangsUp = new AbortController().signal;
const refusedFor = (error: unknown): number => {
  if (error instanceof RefusedError) return error.retryAfterS;
  throw error;
};

/** Lets a system of this rate measure itself under 20 callers. */
async function warmUp(rate: number, queues: readonly AdmissionQueue[]): Promise<VirtualServer> {
  const server = new VirtualServer(rate);
  const until = performance.now() + 15_000;
  await inVirtualTime(server.keepBusy(queues, 20, () => performance.now() < until));
  return server;
}

/** Sends all callers within half a second. */
async function burst(server: VirtualServer, queues: readonly AdmissionQueue[], callers: number) {
  const startedAt = performance.now();
  const all = Array.from({ length: callers }, async (_, index) => {
    await new Promise((resolve) => setTimeout(resolve, (500 * index) / callers));
    return server.obey(queues);
  });
  const admitted = await inVirtualTime(Promise.all(all));
  return { admitted, perSecond: (1_000 * callers) / (lastEnd(admitted) - startedAt) };
}

const lastEnd = (admitted: readonly Admitted[]): number =>
  Math.max(...admitted.map(({ endedAt }) => endedAt));
const share = (admitted: readonly Admitted[], right: (one: Admitted) => boolean): number =>
  admitted.filter(right).length / admitted.length;

test('a thousand simultaneous callers keep a measured system busy, and are admitted when promised', async () => {
  const queues = [newQueue()];
  const server = await warmUp(30, queues);
  const { admitted, perSecond } = await burst(server, queues, 1_000);
  expect(perSecond).toBeGreaterThan(0.9 * 30);
  expect(share(admitted, ({ attempts }) => attempts <= 2)).toBeGreaterThan(0.95);
  expect(share(admitted, ({ ms }) => ms <= 3_000)).toBe(1);
});

test.each([10, 30, 60])(
  'a thousand callers of a new process that handles %i requests a second are all admitted',
  async (rate) => {
    const queues = [newQueue()];
    const { admitted, perSecond } = await burst(new VirtualServer(rate), queues, 1_000);
    expect(perSecond).toBeGreaterThan(0.5 * rate);
    expect(share(admitted, ({ ms }) => ms <= 3_000)).toBeGreaterThan(0.99);
  },
);

test('callers who were promised too much by a system that then slowed down are all admitted soon afterwards', async () => {
  const queues = [newQueue()];
  const server = await warmUp(40, queues);
  server.rate = 20;
  const { admitted, perSecond } = await burst(server, queues, 600);
  expect(perSecond).toBeGreaterThan(0.9 * 20);
  expect(Math.max(...admitted.map(({ attempts }) => attempts))).toBeLessThan(10);
  expect(share(admitted, ({ ms }) => ms <= 3_000)).toBeGreaterThan(0.99);
});

test('callers who arrive at twice the rate of the system for a minute are all served, at the rate of the system', async () => {
  const queues = [newQueue()];
  const server = await warmUp(25, queues);
  const startedAt = performance.now();
  const all = Array.from({ length: 3_000 }, async (_, index) => {
    await new Promise((resolve) => setTimeout(resolve, 20 * index));
    return server.obey(queues);
  });
  const admitted = await inVirtualTime(Promise.all(all));
  expect((1_000 * 3_000) / (lastEnd(admitted) - startedAt)).toBeGreaterThan(0.9 * 25);
  expect(share(admitted, ({ ms }) => ms <= 3_000)).toBeGreaterThan(0.99);
  expect(share(admitted, ({ attempts }) => attempts <= 2)).toBeGreaterThan(0.9);
});

test('two processes keep a system as busy as one does', async () => {
  const queues = newQueues(2);
  const server = await warmUp(30, queues);
  const { admitted, perSecond } = await burst(server, queues, 1_000);
  expect(perSecond).toBeGreaterThan(0.85 * 30);
  expect(share(admitted, ({ ms }) => ms <= 3_000)).toBeGreaterThan(0.99);
});

test('a process that starts later gets its share of the system from the process that had all of it', async () => {
  const [first, second] = [newQueue(), newQueue()];
  const server = new VirtualServer(30);
  const until = performance.now() + 90_000;
  const goesOn = () => performance.now() < until;
  void server.keepBusy([first], 60, goesOn);
  await vi.advanceTimersByTimeAsync(20_000);
  const alone = first.state.limit;
  void server.keepBusy([second], 60, goesOn);
  await vi.advanceTimersByTimeAsync(30_000);
  const limits: number[] = [];
  for (let seconds = 0; seconds < 30; seconds += 1) {
    await vi.advanceTimersByTimeAsync(1_000);
    limits.push(second.state.limit / (first.state.limit + second.state.limit));
  }
  expect(first.state.limit).toBeLessThan(alone);
  const mean = limits.reduce((total, one) => total + one, 0) / limits.length;
  expect(mean).toBeGreaterThan(0.35);
  expect(mean).toBeLessThan(0.65);
});

test('the concurrency limit falls when answers get slow, and rises again when they are quick', () => {
  const limit = new ConcurrencyLimit();
  let now = 0;
  const answered = (ms: number) => {
    limit.learn({ startedAt: now, endedAt: now + ms, saturated: true });
    now += ms;
  };
  for (let count = 0; count < 100; count += 1) answered(TARGET_MS / 2);
  const calm = limit.value;
  for (let count = 0; count < 10; count += 1) answered(TARGET_MS * 2);
  const congested = limit.value;
  for (let count = 0; count < 1_000; count += 1) answered(TARGET_MS / 2);
  expect(congested).toBeLessThan(calm / 2);
  expect(limit.value).toBeGreaterThan(2 * congested);
});

test('answers that show the same congestion lower the concurrency limit once', () => {
  const limit = new ConcurrencyLimit();
  const before = limit.value;
  for (let count = 0; count < 50; count += 1)
    limit.learn({ startedAt: count, endedAt: 2_000 + count, saturated: true });
  expect(limit.value).toBe(before - 1);
});

/** A queue with all of its slots taken, and the turns of the running requests. */
async function fillQueue() {
  const queue = newQueue();
  const turns = await Promise.all(
    Array.from({ length: queue.state.limit }, () => queue.enter(undefined, nobodyHangsUp)),
  );
  return { queue, turns };
}

test('a caller who comes before the promised second is answered with the time that is left', async () => {
  const { queue } = await fillQueue();
  const error: unknown = await queue.enter(performance.now() + 2_500, nobodyHangsUp).catch((e: unknown) => e);
  expect(refusedFor(error)).toBe(3);
});

test('a caller with a promise goes ahead of waiting newcomers', async () => {
  const { queue, turns } = await fillQueue();
  const order: string[] = [];
  const newcomer = queue.enter(undefined, nobodyHangsUp).then(() => order.push('newcomer'));
  const promised = queue.enter(performance.now(), nobodyHangsUp).then(() => order.push('promised'));
  for (const turn of turns) turn.end('done');
  await Promise.all([newcomer, promised]);
  expect(order).toEqual(['promised', 'newcomer']);
});

test('a caller who hangs up leaves the queue, and nothing is started for it', async () => {
  const { queue, turns } = await fillQueue();
  const caller = new AbortController();
  const waiting = queue.enter(undefined, caller.signal);
  expect(queue.state.waiting).toBe(1);
  caller.abort();
  await expect(waiting).rejects.toThrow(CallerGoneError);
  expect(queue.state.waiting).toBe(0);
  for (const turn of turns) turn.end('done');
  expect(queue.state.running).toBe(0);
});

test('a caller who waited too long is refused, with the promise of a turn ahead of later callers', async () => {
  const { queue } = await fillQueue();
  const waiting = queue.enter(undefined, nobodyHangsUp).catch(refusedFor);
  await vi.advanceTimersByTimeAsync(LONGEST_WAIT_MS);
  expect(await waiting).toBe(1);
  expect(queue.state.waiting).toBe(0);
});

test('a request that takes too long frees its slot for the next one, and only once', async () => {
  const { queue, turns } = await fillQueue();
  const waiting = queue.enter(undefined, nobodyHangsUp);
  const [late, ...others] = turns;
  late?.setAside();
  (await waiting).end('done');
  late?.end('done');
  for (const turn of others) turn.end('done');
  expect(queue.state.running).toBe(0);
});

test('promises made in a slow moment keep no newcomer out once their time has come', async () => {
  const { queue, turns } = await fillQueue();
  const ask = (promisedAt?: number) => void queue.enter(promisedAt, nobodyHangsUp).catch(() => {});
  for (let count = 0; count < 500; count += 1) ask();
  for (let count = 0; count < 600; count += 1) ask(performance.now());
  await vi.advanceTimersByTimeAsync(35_000);
  for (const turn of turns) turn.end('done');
  const { limit } = queue.state;
  for (let count = 0; count < limit; count += 1) ask();
  expect(queue.state).toMatchObject({ running: limit, waiting: 0 });
  ask();
  expect(queue.state.waiting).toBe(1);
});

test('callers who come while the system does not answer at all are asked back within half a minute, not within two', async () => {
  const { queue } = await fillQueue();
  await vi.advanceTimersByTimeAsync(25_000);
  const seconds: number[] = [];
  for (let count = 0; count < 20; count += 1)
    void queue.enter(undefined, nobodyHangsUp).catch((error: unknown) => seconds.push(refusedFor(error)));
  await vi.advanceTimersByTimeAsync(LONGEST_WAIT_MS);
  expect(seconds.length).toBeGreaterThan(15);
  expect(Math.max(...seconds)).toBeLessThanOrEqual(30);
});

const placedQuickly = (startedAt: number) => ({ startedAt, isQuick: true });

test('an order that a later one overtook blocks only orders that need the same rows', () => {
  const stragglers = new Stragglers();
  stragglers.add(['SKU locked', 'SKU free'], 0);
  expect(stragglers.wouldBlock(['SKU locked'])).toBe(false);
  stragglers.recordPlaced(['SKU other'], placedQuickly(1));
  expect(stragglers.wouldBlock(['SKU locked'])).toBe(true);
  expect(stragglers.wouldBlock(['SKU other'])).toBe(false);
});

test('an order is not considered blocked if all orders are slow, or need the same rows', () => {
  const stragglers = new Stragglers();
  stragglers.add(['SKU hot'], 5);
  stragglers.recordPlaced(['SKU other'], { startedAt: 6, isQuick: false });
  stragglers.recordPlaced(['SKU other'], placedQuickly(4));
  stragglers.recordPlaced(['SKU hot', 'SKU other'], placedQuickly(6));
  expect(stragglers.wouldBlock(['SKU hot'])).toBe(false);
});

test('the row that a failed order waited for is avoided only for a while, and only until another order gets it', async () => {
  const stragglers = new Stragglers();
  const failed = stragglers.add(['SKU locked'], 0);
  stragglers.recordPlaced(['SKU other'], placedQuickly(1));
  failed();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(stragglers.wouldBlock(['SKU locked'])).toBe(true);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(stragglers.wouldBlock(['SKU locked'])).toBe(false);

  stragglers.add(['SKU locked'], 20_000);
  stragglers.recordPlaced(['SKU other'], placedQuickly(20_001));
  stragglers.recordPlaced(['SKU locked', 'SKU other'], { startedAt: 19_000, isQuick: false });
  expect(stragglers.wouldBlock(['SKU locked'])).toBe(false);
});
