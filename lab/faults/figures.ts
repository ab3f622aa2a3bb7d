/** What `npm run faults -- --json FILE` writes. Times are milliseconds unless a name says otherwise. */

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
  /** Milliseconds since 1970, from the blow until what it hit was ready again. */
  from: number;
  until: number;
}

export interface Violation {
  /** What was to hold. */
  rule: string;
  subject: string;
  finding: string;
}

/** How long after its deadline an unpaid order's units were given back. */
export interface Lag {
  orders: number;
  p50: number;
  p99: number;
  worst: number;
}

/** By what went on at the order's deadline. */
export interface Lags {
  /** Before the first fault and after the last. */
  calm: Lag;
  /** Between two faults: all was up, and had just been down. */
  between: Lag;
  /** At least one fault was under way. */
  during: Lag;
  all: Lag;
  /** Of those due during a fault, the ones for which nothing at all was running. */
  everythingDown: Lag;
}

export interface Rate {
  orders: number;
  seconds: number;
  perSecond: number;
}

/** What callers met on the way to a final answer. */
export interface Tries {
  /** Calls that were to have one final answer. */
  calls: number;
  requests: number;
  timeouts: number;
  /** Connections that were refused or broke. */
  brokenConnections: number;
  /** Answers that ask for another try: 503, and 409s that are kept under no key. */
  tryAgain: number;
  /** Answers 500. */
  internalErrors: number;
}

export interface RunFigures {
  /** ISO 8601. */
  startedAt: string;
  seed: number;
  paceSeconds: { least: number; most: number };
  /** What was killed at that pace: each of the four processes, or one of them. */
  kills: 'each' | 'one';
  /** What a pause or a cut lasts at most. */
  longestSeconds: number;
  callers: number;
  /** Orders that came a second during the storm, at most. */
  arrivals: number;
  paymentWindow: number;
  machine: { cores: number; cpu: string; memoryGiB: number; system: string; node: string; temporal: string };
  /** How the orders that were recorded ended. */
  orders: { all: number; byStage: Readonly<Record<string, number>> };
  tries: Tries;
  faults: {
    all: number;
    byKind: Readonly<Record<FaultKind, number>>;
    /** Kills that hit one process, by its name. */
    killsOf: Readonly<Record<string, number>>;
    /** For how much of the storm at least one was under way, from 0 to 1. */
    underWay: number;
    seconds: number;
    list: readonly FaultRecord[];
  };
  /** Breaks of the storm, because next to no order had got through. */
  lulls: { count: number; seconds: number };
  /** Processes that ended though nobody had killed them, with how. */
  endedByThemselves: readonly string[];
  expiryLag: Lags;
  /** Raised during the run: an order's step had kept failing. Each has to be cleared when the order goes on. */
  attentionMarks: number;
  /** Open when the last fault was healed. */
  openAtHeal: number;
  /** From then until every call was answered, no order was open and no workflow ran. */
  recovery: number;
  rates: {
    before: Rate;
    during: Rate;
    after: Rate;
    /** After by before. */
    recovered: number;
  };
  violations: readonly Violation[];
}
