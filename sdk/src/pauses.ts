/** Whether a request is sent again, and after which pause. */
import type { Clock } from './clock.ts';

const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 5_000;
/** Callers who were asked to come back in the same second do not all come at its beginning. */
const SPREAD_MS = 250;

/** What is decided by. */
export interface Attempt {
  /** Undefined if no whole answer arrived. */
  status: number | undefined;
  /** Of a problem of Holdfast. */
  code: string | undefined;
  retryAfter: string | null;
  /** Of the request: whether a second one may meet what the first one did. */
  isRepeatable: boolean;
}

/** Refused before anything began, so that even what is not repeatable may be sent again. */
const isUntouched = ({ status, code }: Attempt): boolean =>
  status === 429 || status === 408 || code === 'overloaded';

/** Whether the same request may get another answer by itself. */
export function mayChange(attempt: Attempt): boolean {
  const { status, code, retryAfter, isRepeatable } = attempt;
  if (!isRepeatable && !isUntouched(attempt)) return false;
  if (status === undefined || status === 408) return true;
  // Not before somebody has deposited money.
  if (code === 'too_many_refused_payments') return false;
  if (status === 429) return true;
  if (status === 409) return retryAfter !== null;
  // A problem that does not say when it is over waits for a person.
  if (status === 503 && code !== undefined) return retryAfter !== null;
  return status >= 500;
}

/** At least as long as was asked for; else longer and longer, and at random, because callers who failed together must not come back together. */
export function pauseAfter(retryAfter: string | null, failures: number, clock: Clock): number {
  const asked = askedMs(retryAfter);
  if (asked !== undefined) return asked + SPREAD_MS * clock.random();
  const longest = Math.min(FIRST_PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS);
  return longest * (0.5 + clock.random() / 2);
}

/** Holdfast asks in seconds. What stands before it may name an instant. */
function askedMs(retryAfter: string | null): number | undefined {
  if (retryAfter === null) return undefined;
  if (/^\d+$/.test(retryAfter)) return 1_000 * Number(retryAfter);
  const instant = Date.parse(retryAfter);
  return Number.isNaN(instant) ? undefined : Math.max(0, instant - Date.now());
}
