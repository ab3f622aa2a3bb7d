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
  /** Answers that ask for another try: 503, and 409 `idempotency_in_progress`. */
  tryAgain: number;
  /** Answers 500. */
  internalErrors: number;
}

export interface RunFigures {
  /** ISO 8601. */
  startedAt: string;
  seed: number;
  paceSeconds: { least: number; most: number };
  /** Whether each process was killed at that pace, or one of the four. */
  eachProcess: boolean;
  callers: number;
  paymentWindow: number;
  machine: { cores: number; cpu: string; memoryGiB: number; system: string; node: string; temporal: string };
  /** How the orders that were recorded ended. */
  orders: { all: number; byStage: Readonly<Record<string, number>> };
  tries: Tries;
  faults: {
    all: number;
    byKind: Readonly<Record<FaultKind, number>>;
    /** For how much of the storm at least one was under way, from 0 to 1. */
    underWay: number;
    seconds: number;
    list: readonly FaultRecord[];
  };
  /** Processes that ended though nobody had killed them, with how. */
  endedByThemselves: readonly string[];
  expiryLag: Lags;
  /** Open when the last fault was healed. */
  openAtHeal: number;
  /** From then until every call was answered, no order was open and no workflow ran. */
  recovery: number;
  rates: { before: Rate; during: Rate; after: Rate };
  violations: readonly Violation[];
}
