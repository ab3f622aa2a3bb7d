/** How an attempt to deliver an event can fail. Shops read these words in the list of attempts. */

/** A status outside of 200 to 299 is `refused`, but for redirects, and for 410, which says that nobody wants the events any more. */
export const ATTEMPT_FAILURES = {
  host_unknown: 'The name of the address has no IP address.',
  address_refused: 'The address leads to a network that no webhooks are sent to, or needs https.',
  not_connected: 'No connection could be made.',
  tls_failed: 'The certificate or the encryption of the receiver is not accepted.',
  connection_lost: 'The connection ended before the answer.',
  not_http: 'The answer was no HTTP response, or one with too many headers.',
  no_answer: 'There was no answer in time.',
  redirected: 'The answer was a redirect, which is not followed.',
  refused: 'The answer was none of 200 to 299.',
  gone: 'The answer was 410: nobody wants these events any more.',
  not_kept: 'The event is no longer kept.',
} as const satisfies Record<string, string>;

export type AttemptFailure = keyof typeof ATTEMPT_FAILURES;

/** What came of an attempt. */
export interface AttemptOutcome {
  /** Null when the receiver took the event. */
  failure: AttemptFailure | null;
  /** Of the answer; null when there was none. */
  status: number | null;
  /** The code of a failed connection, such as ECONNREFUSED; null for the rest. */
  cause: string | null;
  durationMs: number;
}

export interface FailedAttempt extends Pick<AttemptOutcome, 'status' | 'cause'> {
  failure: AttemptFailure;
  /** ISO 8601. */
  at: string;
}
