/** The ladder of times, from the lock that a statement waits for to the caller's request: each rung is shorter than the next. */
import { expect, test } from 'vitest';
import { PATIENCE_MS } from '../../db/locked-rows.ts';
import {
  ACTIVITY_ATTEMPT_MS,
  CALL_DEADLINE_MS,
  CAPTURE_NEWS_MS,
  CLAIM_LEASE_MS,
  CONNECTION_DEADLINE_MS,
  DISAGREEMENT_GRACE_MS,
  FIRST_RETRY_PAUSE_MS,
  HEARTBEAT_MS,
  LOCAL_ATTEMPT_MS,
  LOCK_TIMEOUT_MS,
  LONGEST_CAPTURE_NEWS_MS,
  LONGEST_RETRY_PAUSE_MS,
  LONGEST_RUN_MS,
  NOTICE_ANSWER_MS,
  NOTICE_ATTEMPT_MS,
  QUERY_DEADLINE_MS,
  RECONCILE_FOR_MS,
  REQUEST_LIMIT_MS,
  REQUEST_PATIENCE_MS,
  RUN_END_ATTEMPT_MS,
  RUN_END_FOR_MS,
  SERVER_CHECK_MS,
  SILENT_FOR_MS,
  STATEMENT_TIMEOUT_MS,
  WORKFLOW_TASK_MS,
} from '../../domain/timeouts.ts';
import { workerSettings } from '../../settings.ts';

const { SHUTDOWN_GRACE } = workerSettings({
  DATABASE_URL: 'postgres://localhost/holdfast',
  TEMPORAL_ADDRESS: 'localhost:7233',
});

/** What ends first, and what waits for it. */
const PAIRS = [
  ['the patience with a locked row', PATIENCE_MS, 'the wait for its lock', LOCK_TIMEOUT_MS],
  ['the wait for a lock', LOCK_TIMEOUT_MS, 'the time limit of its statement', STATEMENT_TIMEOUT_MS],
  ['the time limit of a statement', STATEMENT_TIMEOUT_MS, 'the time limit of its query', QUERY_DEADLINE_MS],
  [
    'the time limit of a query',
    QUERY_DEADLINE_MS,
    'the time limit of a local attempt at a step',
    LOCAL_ATTEMPT_MS,
  ],
  [
    'the time limit of a local attempt',
    LOCAL_ATTEMPT_MS,
    'the time limit of its workflow task',
    WORKFLOW_TASK_MS,
  ],
  [
    'the wait for a connection with the query that follows',
    CONNECTION_DEADLINE_MS + QUERY_DEADLINE_MS,
    'the time limit of an attempt as a regular activity',
    ACTIVITY_ATTEMPT_MS,
  ],
  [
    'the time limit of an attempt as a regular activity',
    ACTIVITY_ATTEMPT_MS,
    'the grace period of a worker that stops',
    SHUTDOWN_GRACE,
  ],
  [
    'the first pause between attempts',
    FIRST_RETRY_PAUSE_MS,
    'the longest pause between attempts',
    LONGEST_RETRY_PAUSE_MS,
  ],
  [
    'an attempt with the longest pause before it',
    LONGEST_RETRY_PAUSE_MS + ACTIVITY_ATTEMPT_MS,
    'the time that reconciliation gives an order and its workflow to agree',
    DISAGREEMENT_GRACE_MS,
  ],
  [
    'the patience with a request and the check which server does not answer',
    REQUEST_PATIENCE_MS + SERVER_CHECK_MS,
    'the claim of that request on its key',
    CLAIM_LEASE_MS,
  ],
  [
    'the time limit of a call to Temporal',
    CALL_DEADLINE_MS,
    'the time limit of its request',
    REQUEST_LIMIT_MS,
  ],
  [
    'the wait for a connection with the query that follows',
    CONNECTION_DEADLINE_MS + QUERY_DEADLINE_MS,
    'the time limit of its request',
    REQUEST_LIMIT_MS,
  ],
  [
    'the wait for the answer to a notice with the two queries around it',
    NOTICE_ANSWER_MS + 2 * QUERY_DEADLINE_MS,
    'the time limit of the attempt to deliver it',
    NOTICE_ATTEMPT_MS,
  ],
  [
    'the three queries of a run\u2019s end',
    3 * QUERY_DEADLINE_MS,
    'the time limit of the attempt to record it',
    RUN_END_ATTEMPT_MS,
  ],
  [
    'an attempt to record a run\u2019s end',
    RUN_END_ATTEMPT_MS,
    'the time that the run tries to',
    RUN_END_FOR_MS,
  ],
  [
    'the pause between two heartbeats of an activity',
    HEARTBEAT_MS,
    'the silence after which Temporal gives it up',
    SILENT_FOR_MS,
  ],
  [
    'the pause after which an order first asks whether its payments were captured',
    CAPTURE_NEWS_MS,
    'the longest one',
    LONGEST_CAPTURE_NEWS_MS,
  ],
  ['the time that a reconciliation searches', RECONCILE_FOR_MS, 'the time limit of its run', LONGEST_RUN_MS],
] as const;

test.each(PAIRS)('%s (%d ms) is shorter than %s (%d ms)', (_inner, innerMs, _outer, outerMs) => {
  expect(innerMs).toBeLessThan(outerMs);
});
