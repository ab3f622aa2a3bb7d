/** What `npm run faults -- --json FILE` writes. Times are milliseconds unless a name says otherwise. */

import type { Hardware } from '../harness/machine.ts';

export const FAULT_KINDS = [
  'kill',
  'pause',
  'cut',
  'lost answers',
  'delay',
  'sessions ended',
  'everything at once',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export interface FaultRecord {
  kind: FaultKind;
  target: string;
  /** Milliseconds since 1970, from its beginning until its target was ready again. */
  from: number;
  until: number;
}

export interface Violation {
  /** The rule that is broken. */
  rule: string;
  subject: string;
  finding: string;
}

/** How long after its deadline an unpaid order's units were released. */
export interface Lag {
  orders: number;
  p50: number;
  p99: number;
  worst: number;
}

/** By what happened at the order's deadline. */
export interface Lags {
  /** Before the first fault and after the last. */
  calm: Lag;
  /** Between two faults: everything was up, and had just been down. */
  between: Lag;
  /** At least one fault was under way. */
  during: Lag;
  all: Lag;
  /** Those due during a fault that had everything down. */
  everythingDown: Lag;
}

export interface Rate {
  orders: number;
  seconds: number;
  perSecond: number;
}

/** What callers met on the way to their final answers. */
export interface Tries {
  /** Each has one final answer. */
  calls: number;
  requests: number;
  timeouts: number;
  /** Connections that were refused or broke. */
  brokenConnections: number;
  /** Answers that ask for another try: 408, 429, 503, and any 409 that is kept under no key. */
  tryAgain: number;
  /** Answers 500. */
  internalErrors: number;
}

export interface RunFigures {
  /** ISO 8601. */
  startedAt: string;
  seed: number;
  paceSeconds: { least: number; most: number };
  /** What is killed at that pace: each of the five processes, or one of them. */
  kills: 'each' | 'one';
  /** A pause or a cut lasts this long at most. */
  longestSeconds: number;
  callers: number;
  /** At most this many orders arrive per second while there are faults. */
  arrivals: number;
  paymentWindow: number;
  machine: Hardware & { temporal: string };
  /** The recorded orders, by the stage in which they ended. */
  orders: { all: number; byStage: Readonly<Record<string, number>> };
  /** Recorded refunds, and those of them that are of less than all that was paid. */
  refunds: { all: number; inPart: number };
  payments: {
    /** Payments in parts, by their method and the state in which they ended. */
    byState: Readonly<Record<string, number>>;
    /** Orders that were paid in parts. */
    orders: number;
    /** Of the provider's book: what it captured, and gave back, in minor units. */
    captured: number;
    refunded: number;
    /** Different notifications of the provider that were kept. */
    notifications: number;
    /** Orders whose deadline was put off. */
    extended: number;
  };
  tries: Tries;
  faults: {
    all: number;
    byKind: Readonly<Record<FaultKind, number>>;
    /** Kills of one process, by its name. */
    killsOf: Readonly<Record<string, number>>;
    /** The share of the time with at least one under way, from 0 to 1. */
    underWay: number;
    seconds: number;
    list: readonly FaultRecord[];
  };
  /** Calm intervals: no fault began, because almost no order had got through. */
  lulls: { count: number; seconds: number };
  /** Servers that ended although nobody had killed them, and how. */
  endedByThemselves: readonly string[];
  expiryLag: Lags;
  /** Raised during the run, because an order's step kept failing. Each must be cleared when the order goes on. */
  attentionMarks: number;
  /** Open when the last fault was healed. */
  openAtHeal: number;
  /** From then until every call was answered, no order was open and no workflow ran, in milliseconds. */
  recovery: number;
  /** What the receivers of webhooks got: each event at least once. */
  events: readonly { receiver: string; arrived: number; different: number; kills: number }[];
  rates: {
    before: Rate;
    during: Rate;
    after: Rate;
    /** After divided by before. */
    recovered: number;
  };
  violations: readonly Violation[];
}
