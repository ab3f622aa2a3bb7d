/** When an event is sent again that a receiver did not take, and how a receiver is treated that takes nothing at all. */

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** Each from the attempt before it: soon at first, because most receivers are back within a minute. */
const FIRST_PAUSES = [
  5 * SECOND,
  30 * SECOND,
  2 * MINUTE,
  10 * MINUTE,
  30 * MINUTE,
  HOUR,
  2 * HOUR,
  4 * HOUR,
  8 * HOUR,
];
const LATER_PAUSE = 12 * HOUR;
/** An event that its receiver has not taken this long after the first attempt is given up, and the next one of its order is sent. */
export const GIVE_UP_AFTER_MS = 72 * HOUR;
/** Of each time: events that failed together are not sent again together. */
const JITTER = 0.1;

/** From the first attempt to each other one. */
const OFFSETS = offsets();

function offsets(): number[] {
  const found: number[] = [];
  let offset = 0;
  for (let number = 0; ; number += 1) {
    offset += FIRST_PAUSES[number] ?? LATER_PAUSE;
    if (offset >= GIVE_UP_AFTER_MS) return [...found, GIVE_UP_AFTER_MS];
    found.push(offset);
  }
}

export interface FailedDelivery {
  /** A UUID, from which the jitter comes: the same at every replay. */
  id: string;
  /** Milliseconds since 1970, as is `at`. */
  firstAttemptAt: number;
  at: number;
}

/**
 * When a delivery that failed at this time is tried again; null when it is given up. It depends on how long ago the first attempt was and not
 * on their number: attempts that only tried out whether the receiver is back do not count against the event.
 */
export function nextAttemptAt({ id, firstAttemptAt, at }: FailedDelivery): number | null {
  const elapsed = at - firstAttemptAt;
  if (elapsed >= GIVE_UP_AFTER_MS) return null;
  const stretch = 1 + JITTER * fractionOf(id);
  const next = OFFSETS.map((offset) => Math.min(offset * stretch, GIVE_UP_AFTER_MS)).find(
    (offset) => offset >= elapsed + SECOND,
  );
  return firstAttemptAt + Math.round(next ?? GIVE_UP_AFTER_MS + SECOND);
}

/** From 0 to 1, by the random end of a UUID. */
const fractionOf = (id: string): number => Number.parseInt(id.slice(-8), 16) / 2 ** 32;

/** So many failures in a row say that a receiver is down ... */
const DOWN_AFTER_FAILURES = 3;
/** ... when they are of so many orders: a single one may be what it cannot take. */
const DOWN_AFTER_ORDERS = 2;

export interface FailuresInARow {
  failures: number;
  /** Events that wait because they were tried in vain, each of another order. */
  tried: number;
}

/** Whether a receiver seems to take nothing at all. Then one event is tried now and then, instead of all of them. */
export const isDown = ({ failures, tried }: FailuresInARow): boolean =>
  failures >= DOWN_AFTER_FAILURES && tried >= DOWN_AFTER_ORDERS;

const LEAST_PROBE_PAUSE = 5 * SECOND;
const MOST_PROBE_PAUSE = 5 * MINUTE;
/** The pause grows with the outage, so that a short one ends soon and a long one costs little. */
const PROBE_SHARE = 0.25;

/** When a receiver that is down since then is tried again, with one event. */
export function nextProbeAt({ failingSince, at }: { failingSince: number; at: number }): number {
  const pause = Math.round(PROBE_SHARE * (at - failingSince));
  return at + Math.min(Math.max(pause, LEAST_PROBE_PAUSE), MOST_PROBE_PAUSE);
}
