import { expect, test } from 'vitest';
import { GIVE_UP_AFTER_MS, isDown, nextAttemptAt, nextProbeAt } from '../../domain/webhook-retries.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** Its end is the smallest there is: no jitter. */
const CALM = '01a22000-0000-7000-8000-000000000000';
const JITTERY = '01a22000-0000-7000-8000-0000ffffffff';

/** Milliseconds from the first attempt to each other one, until the event is given up. */
function attemptsOf(id: string): number[] {
  const attempts: number[] = [];
  for (let at: number | null = 0; at !== null; at = nextAttemptAt({ id, firstAttemptAt: 0, at }))
    attempts.push(at);
  return attempts;
}

test('an event is tried again soon at first, then twice a day, and for the last time after three days', () => {
  const pauses = attemptsOf(CALM).map((at, index, all) => at - (all[index - 1] ?? 0));
  expect(pauses.slice(1, 11)).toEqual([
    5_000,
    30_000,
    2 * MINUTE,
    10 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    4 * HOUR,
    8 * HOUR,
    12 * HOUR,
  ]);
  expect(attemptsOf(CALM).at(-1)).toBe(GIVE_UP_AFTER_MS);
  expect(attemptsOf(CALM)).toHaveLength(15);
});

test('events that failed together are not tried again together, and none waits a tenth longer than planned', () => {
  const [calm, jittery] = [attemptsOf(CALM), attemptsOf(JITTERY)];
  expect(jittery.at(-1)).toBe(GIVE_UP_AFTER_MS);
  for (const [index, at] of jittery.slice(1, -1).entries()) {
    const planned = calm[index + 1] ?? 0;
    expect(at).toBeGreaterThan(planned);
    expect(at).toBeLessThanOrEqual(1.1 * planned);
  }
  expect(attemptsOf(JITTERY)).toEqual(jittery);
});

test('attempts in between, which try out whether the receiver is back, do not bring the end nearer', () => {
  const at = 20 * MINUTE;
  const next = nextAttemptAt({ id: CALM, firstAttemptAt: 0, at });
  expect(next).toBe(attemptsOf(CALM).find((one) => one > at));
  expect(nextAttemptAt({ id: CALM, firstAttemptAt: 0, at: GIVE_UP_AFTER_MS })).toBeNull();
});

test('a receiver is taken for down when events of several orders fail in a row, and not for one that it cannot take', () => {
  expect(isDown({ failures: 100, tried: 1 })).toBe(false);
  expect(isDown({ failures: 2, tried: 2 })).toBe(false);
  expect(isDown({ failures: 3, tried: 2 })).toBe(true);
});

test('a receiver that is down is tried after a quarter of the time that it has been, from 5 s to 5 min', () => {
  const pauseAfter = (ms: number) => nextProbeAt({ failingSince: 0, at: ms }) - ms;
  expect([0, 10_000, MINUTE, 10 * MINUTE, HOUR, 70 * HOUR].map(pauseAfter)).toEqual([
    5_000,
    5_000,
    15_000,
    150_000,
    5 * MINUTE,
    5 * MINUTE,
  ]);
});
