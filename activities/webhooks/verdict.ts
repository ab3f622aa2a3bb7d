/** What follows an attempt: nothing more, or another one. */
import type { Attempt } from '../../db/webhooks/record.ts';
import type { AttemptFailure } from '../../domain/webhook-attempts.ts';
import { GIVE_UP_AFTER_MS, nextAttemptAt } from '../../domain/webhook-retries.ts';
import type { DeliveryKind } from '../../domain/webhooks.ts';

export interface Tried {
  id: string;
  kind: DeliveryKind;
  /** Of the first attempt that counts. */
  triedSince: Date;
  failure: AttemptFailure | null;
  /** Milliseconds since 1970. */
  at: number;
  /** Whether no event is given up, because the receiver takes none at all: it gets them when it is back. */
  keepsAll: boolean;
}

export function whatFollows({ id, kind, triedSince, failure, at, keepsAll }: Tried): Attempt['next'] {
  if (failure === null) return 'delivered';
  // Somebody waits for the outcome of a test, and can ask for another one.
  if (failure === 'not_kept' || kind === 'test') return 'given_up';
  const next = nextAttemptAt({ id, firstAttemptAt: triedSince.getTime(), at });
  if (next !== null) return { dueAt: new Date(next).toISOString() };
  return keepsAll && kind === 'event' ? { dueAt: new Date(at + GIVE_UP_AFTER_MS).toISOString() } : 'given_up';
}
