/**
 * How the provider misbehaves. A payment's source names one way, as the test cards of providers do; with a seed, any call may go wrong
 * besides.
 */
import { randomFrom } from '../random.ts';

/**
 * What goes wrong with a call:
 * - silence: it is carried out, and not answered before the caller gives up
 * - lost: it is carried out, and the connection ends without an answer
 * - broken: it is carried out, and answered with 500
 * - late: the connection ends without an answer, and it is carried out only some time after that
 * - error: it is not carried out, and answered with 503
 */
export const MISHAPS = ['silence', 'lost', 'broken', 'late', 'error'] as const;
export type Mishap = (typeof MISHAPS)[number];

export interface Behaviour {
  /** What a new payment is at once. */
  opens: 'authorised' | 'pending' | 'declined' | 'captured';
  /** What it becomes by itself unless it is captured or voided before, and after how many milliseconds. */
  becomes?: { state: 'authorised' | 'declined' | 'captured' | 'voided'; afterMs: number };
  /** What goes wrong with the first calls of each kind: one for each call. */
  mishaps?: Partial<Record<'open' | 'capture' | 'void' | 'refund' | 'ask', readonly Mishap[]>>;
  /** What is authorised differs from what was asked for. */
  authorises?: { amount?: (asked: number) => number; currency?: string; order?: string };
  refuses?: 'capture' | 'refund';
  /** A void is answered as if it were made, and the money is captured all the same. */
  capturesVoided?: true;
  notifications?: 'none' | 'twice' | 'newest first' | 'false' | { lateByMs: number };
}

const LATE_MS = 500;

/** By source. Every other source behaves as `ok`. */
export const BEHAVIOURS = {
  ok: { opens: 'authorised' },
  declined: { opens: 'declined' },
  pending: { opens: 'pending', becomes: { state: 'authorised', afterMs: LATE_MS } },
  'pending-declined': { opens: 'pending', becomes: { state: 'declined', afterMs: LATE_MS } },
  'pending-forever': { opens: 'pending' },
  'pending-captured': { opens: 'pending', becomes: { state: 'captured', afterMs: LATE_MS } },
  captured: { opens: 'captured' },
  'declined-captured': { opens: 'declined', becomes: { state: 'captured', afterMs: LATE_MS } },
  'declined-kept': {
    opens: 'declined',
    becomes: { state: 'captured', afterMs: LATE_MS },
    refuses: 'refund',
  },
  expiring: { opens: 'authorised', becomes: { state: 'voided', afterMs: LATE_MS } },
  silent: { opens: 'authorised', notifications: 'none' },
  'open-silence': { opens: 'authorised', mishaps: { open: ['silence'] } },
  'open-lost': { opens: 'authorised', mishaps: { open: ['lost', 'lost'] } },
  'open-broken': { opens: 'authorised', mishaps: { open: ['broken'] } },
  'open-late': { opens: 'authorised', mishaps: { open: ['late'] } },
  'open-error': { opens: 'authorised', mishaps: { open: ['error', 'error'] } },
  'capture-lost': { opens: 'authorised', mishaps: { capture: ['lost', 'silence'] } },
  'capture-late': { opens: 'authorised', mishaps: { capture: ['late'] } },
  'capture-error': { opens: 'authorised', mishaps: { capture: ['error', 'error'] } },
  'capture-refused': { opens: 'authorised', refuses: 'capture' },
  'void-lost': { opens: 'authorised', mishaps: { void: ['lost'] } },
  'void-captured': { opens: 'authorised', capturesVoided: true },
  'refund-lost': { opens: 'authorised', mishaps: { refund: ['lost', 'broken'] } },
  'refund-refused': { opens: 'authorised', refuses: 'refund' },
  unknown: {
    opens: 'pending',
    mishaps: { ask: ['error', 'lost'] },
    becomes: { state: 'authorised', afterMs: 0 },
  },
  'wrong-amount': { opens: 'authorised', authorises: { amount: (asked) => asked - 1 } },
  'wrong-currency': { opens: 'authorised', authorises: { currency: 'XAF' } },
  'wrong-order': { opens: 'authorised', authorises: { order: 'another order' } },
  'wrong-captured': { opens: 'captured', authorises: { amount: (asked) => asked + 1 } },
  'notified-twice': { opens: 'authorised', notifications: 'twice' },
  'notified-late': { opens: 'authorised', notifications: { lateByMs: LATE_MS } },
  'notified-falsely': { opens: 'authorised', notifications: 'false' },
  'notified-newest-first': { opens: 'authorised', notifications: 'newest first' },
} as const satisfies Readonly<Record<string, Behaviour>>;

export type Source = keyof typeof BEHAVIOURS;

const isKnown = (source: string): source is Source => Object.hasOwn(BEHAVIOURS, source);

export const behaviourOf = (source: string): Behaviour => BEHAVIOURS[isKnown(source) ? source : 'ok'];

/** Which mishap happens to a call; undefined for none. */
export type Fate = () => Mishap | undefined;

/** @param share of the calls that go wrong, from 0 to 1. */
export function fateOf(seed: number, share: number): Fate {
  const random = randomFrom(seed, 'provider');
  return () => (random.chance(share) ? random.pick(MISHAPS) : undefined);
}
