/**
 * Every time that depends on another one, in milliseconds. The inner one must end before the outer one gives up, so that what was under
 * way ends with its real cause, and a late answer is never mistaken for none. A test asserts each relation.
 */

// A query and what waits for it.

/** How long a statement waits for a lock. PostgreSQL gives up first, so that a slow statement ends with its cause. */
export const LOCK_TIMEOUT_MS = 1_000;
/** How long a statement runs. */
export const STATEMENT_TIMEOUT_MS = 1_500;
/** How long a query waits for its answer. Longer than a statement by a round trip on a slow network. */
export const QUERY_DEADLINE_MS = 2_500;
/**
 * How long a query waits for a free connection, before its own deadline counts. Long enough to work off a burst of short calls, and
 * within what a request may take. A worker's steps do not wait: there are as many connections as slots.
 */
export const CONNECTION_DEADLINE_MS = 5_000;

// A step, which is one query, and its attempts.

/** A step's local attempt. Well within a workflow task, which must end before Temporal gives it to another worker. */
export const LOCAL_ATTEMPT_MS = 4_000;
/** Temporal's own limit for a workflow task, in which a step's local attempt runs. */
export const WORKFLOW_TASK_MS = 10_000;
/** A step's attempt as a regular activity. */
export const ACTIVITY_ATTEMPT_MS = 10_000;
/**
 * How long a worker that stops waits, after its grace, for activities that ignore it. Longer than an attempt; another worker retries the
 * rest.
 */
export const FORCED_AFTER_GRACE_MS = 15_000;
/** The first pause between two attempts; it doubles each time. */
export const FIRST_RETRY_PAUSE_MS = 250;
/** The longest pause between two attempts. Short, so that an order moves on soon after PostgreSQL is back. */
export const LONGEST_RETRY_PAUSE_MS = 10_000;

// A request to the API.

/** After this time the API checks the servers for a request that has no answer yet, and gives up on it if one does not answer. */
export const REQUEST_PATIENCE_MS = 3_500;
/** How long such a check takes at most. */
export const SERVER_CHECK_MS = 1_000;

/** A call to Temporal, with its retries. Ends before the request does, so that its answer can still be sent. */
export const CALL_DEADLINE_MS = 14_000;
/** A request to the API. Long enough for a burst that the servers work off: a late answer is cheaper than every request sent again. */
export const REQUEST_LIMIT_MS = 15_000;
/**
 * How long a claim on an idempotency key keeps a retry out: the longest that a caller waits to learn that a server is unavailable. If it
 * were longer, the retry after a crash would wait for nobody; if it were shorter, two would do the same work at once, which is only
 * wasteful: all of it is idempotent by the command's id. The database's clock counts it, as no business rule depends on it.
 */
export const CLAIM_LEASE_MS = 5_000;

// A notice to the receiver of alerts.

/** How long the receiver has to answer. Until then the attempt takes one of the worker's slots from the steps of orders. */
export const NOTICE_ANSWER_MS = 5_000;
/** An attempt to deliver a notice: the receiver's answer, and the queries before and after it. */
export const NOTICE_ATTEMPT_MS = 20_000;

// An event on its way to the receiver of a shop.

/** How long a connection to a receiver may take. Less than its answer, so that it is known which of the two did not come. */
export const WEBHOOK_CONNECT_MS = 5_000;
/** How long a receiver has from the beginning of an attempt to the head of its answer. */
export const WEBHOOK_ANSWER_MS = 10_000;
/** How long the rest of an answer is waited for, only so that the connection can be used again. */
export const WEBHOOK_DRAIN_MS = 1_000;
/**
 * How long nobody else sends what somebody set out to send. Longer than an attempt with its queries, and counted by the time of what sends;
 * after it, what a killed worker did not record is sent again.
 */
export const SENDING_LEASE_MS = 20_000;
/** How long one activity sends what is due; then it lets what is under way end. Its workflow starts the next one at once. */
export const SEND_FOR_MS = 30_000;
/** One such activity: that long, the last attempts, and the queries before and after them. */
export const SENDING_ATTEMPT_MS = 90_000;
/** How long a worker that sends may give no sign of life. Short: until then nothing is sent to its receivers. */
export const SENDER_SILENT_FOR_MS = 10_000;

// A call to a payment provider.

/** How long a payment provider has to answer. Then nobody knows what it did, and it is asked again. */
export const PROVIDER_ANSWER_MS = 10_000;
/** An attempt to get on with a payment: up to four such calls, and the queries before and after them. */
export const PROVIDER_ATTEMPT_MS = 60_000;

/** How long a worker that asks providers may give no sign of life. Short: until then nobody asks again. */
export const PROVIDER_SILENT_FOR_MS = 10_000;
/**
 * After this time a payment of which nothing was taken is looked at once more: a question may have arrived at the provider long after anybody
 * waited for its answer, and what was answered as voided may have been captured.
 */
export const LAST_LOOK_AFTER_MS = 900_000;
/** How long the caller of a payment waits until it is known. Then the answer is that it is pending. */
export const PAYMENT_KNOWN_WITHIN_MS = 5_000;
/** How long an order tries to wake its payments. Then the schedule of payments starts those that do not run. */
export const WAKING_MS = 60_000;
/** After this time an order asks itself whether its payments were captured: the news may have been lost with the workflow of a payment. */
export const CAPTURE_NEWS_MS = 60_000;
/** That pause doubles up to this one, as those of a payment that stays unknown grow. */
export const LONGEST_CAPTURE_NEWS_MS = 900_000;
/** By how much a deadline is put off for a payment that its provider has not decided on. For orders that began before it was a setting. */
export const DEFAULT_PAYMENT_EXTENSION_MS = 300_000;

// Runs on a schedule.

/** How long a run of payments takes for each of its lists. Then the next run goes on where it was, so that none waits behind others. */
export const PAYMENTS_PART_MS = 60_000;

/** An attempt to record that a run ended: three queries. */
export const RUN_END_ATTEMPT_MS = 10_000;
/** How long a run tries to. Its work is done: a server that restarts, or is slow under load, is no reason to fail. */
export const RUN_END_FOR_MS = 300_000;
/** How long a run searches for what is wrong; a million orders take two minutes. The rest waits for the next run. */
export const RECONCILE_FOR_MS = 3_600_000;
/** How long a run seals the audit. The rest waits for the next run, which first compares what this one sealed. */
export const SEAL_FOR_MS = 600_000;
/** After this time a run is stuck, and Temporal ends it. Longer than the search: a run then closes findings and clears marks. */
export const LONGEST_RUN_MS = 2 * RECONCILE_FOR_MS;
/** An activity of reconciliation that gives no sign of life for this long is taken for dead. */
export const SILENT_FOR_MS = 60_000;
/** How often a long activity gives a sign of life. */
export const HEARTBEAT_MS = SILENT_FOR_MS / 6;
/**
 * How long an order and its workflow may disagree: one is written a moment before the other, the listing of workflows lags, and a timer
 * fires late when no worker was running.
 */
export const DISAGREEMENT_GRACE_MS = 60_000;

/** How long money that no order uses may take to be given back before a person is told: longer than most providers are down. */
export const PAYMENT_UNRETURNED_AFTER_MS = 3_600_000;
