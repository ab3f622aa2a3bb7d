/**
 * The times that depend on one another, in milliseconds, shortest first. The inner one must end before the outer one gives up, so that
 * what was under way ends with its real cause, and a late answer is never taken for none. A test asserts their order.
 */

/** How long a statement waits for a lock. PostgreSQL gives up first, so that a slow statement ends with its cause. */
export const LOCK_TIMEOUT_MS = 1_000;
/** How long a statement runs. */
export const STATEMENT_TIMEOUT_MS = 1_500;
/** How long a query's answer is waited for. Longer than a statement by a round trip on a slow network. */
export const QUERY_DEADLINE_MS = 2_500;
/** A step's local attempt: one query. Well within a workflow task, which has to end before Temporal gives it to another worker. */
export const LOCAL_ATTEMPT_MS = 4_000;
/** Temporal's own limit for a workflow task, in which a step's local attempt runs. */
export const WORKFLOW_TASK_MS = 10_000;
/** A step's attempt as a regular activity. */
export const ACTIVITY_ATTEMPT_MS = 10_000;
/** How long a worker that stops waits, after its grace, for activities that ignore it. Longer than an attempt; another worker retries the rest. */
export const FORCED_AFTER_GRACE_MS = 15_000;

/**
 * How long a query waits for a free connection, before its own deadline counts. Long enough to work off a burst of short calls, and
 * within what a request may take. A worker's steps do not wait: there are as many connections as slots.
 */
export const CONNECTION_DEADLINE_MS = 5_000;
/** A call to Temporal, with its retries. Ends before the request does, so that its answer can still be sent. */
export const CALL_DEADLINE_MS = 14_000;
/** A request to the API. Long for a burst that the servers work off: answering late is cheaper than having it all sent again. */
export const REQUEST_LIMIT_MS = 15_000;
/**
 * How long a claim on an idempotency key keeps a retry out: as long as a caller waits at most to hear that a server is away. Longer, and
 * the retry after a crash waits for nobody; shorter, and two do the same work at once, which is only wasteful: all of it is idempotent by
 * the command's id. The database's clock counts it, as no business rule depends on it.
 */
export const CLAIM_LEASE_MS = 5_000;

/** How long a run of reconciliation looks for what is wrong; a million orders take two minutes. What is left then waits for the next run. */
export const RECONCILE_FOR_MS = 3_600_000;
/** After which a run is stuck, and is ended: it still has to close findings and to clear marks. */
export const LONGEST_RUN_MS = 2 * RECONCILE_FOR_MS;
/** Without a sign of life for this long, an activity of reconciliation is taken for dead. */
export const SILENT_FOR_MS = 60_000;
/**
 * How long an order and its workflow may disagree: the one is written a moment before the other, a listing of workflows lags, and a timer
 * fires late when a worker was away.
 */
export const DISAGREEMENT_GRACE_MS = 60_000;
