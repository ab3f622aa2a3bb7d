/** The ladder of times, from the lock that a statement waits for to the caller's request: each rung is shorter than the next. */
import { expect, test } from 'vitest';
import { PATIENCE_MS } from '../../db/locked-rows.ts';
import {
  ACTIVITY_ATTEMPT_MS,
  CALL_DEADLINE_MS,
  CLAIM_LEASE_MS,
  CONNECTION_DEADLINE_MS,
  DISAGREEMENT_GRACE_MS,
  FIRST_RETRY_PAUSE_MS,
  HEARTBEAT_MS,
  LOCAL_ATTEMPT_MS,
  LOCK_TIMEOUT_MS,
  LONGEST_RETRY_PAUSE_MS,
  LONGEST_RUN_MS,
  NOTICE_ANSWER_MS,
  NOTICE_ATTEMPT_MS,
  QUERY_DEADLINE_MS,
  RECONCILE_FOR_MS,
  REQUEST_LIMIT_MS,
  REQUEST_PATIENCE_MS,
  RUN_END_ATTEMPT_MS,
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

/** What ends, and what gives up on it only afterwards. */
const PAIRS = [
  ['the patience with a locked row', PATIENCE_MS, 'the wait for its lock', LOCK_TIMEOUT_MS],
  ['the wait for a lock', LOCK_TIMEOUT_MS, 'its statement', STATEMENT_TIMEOUT_MS],
  ['a statement', STATEMENT_TIMEOUT_MS, 'its query', QUERY_DEADLINE_MS],
  ['a query', QUERY_DEADLINE_MS, 'the local attempt of a step', LOCAL_ATTEMPT_MS],
  ['a local attempt', LOCAL_ATTEMPT_MS, 'its workflow task', WORKFLOW_TASK_MS],
  [
    'the wait for a connection with the query that follows',
    CONNECTION_DEADLINE_MS + QUERY_DEADLINE_MS,
    'an attempt as a regular activity',
    ACTIVITY_ATTEMPT_MS,
  ],
  ['an attempt as a regular activity', ACTIVITY_ATTEMPT_MS, 'a worker that stops', SHUTDOWN_GRACE],
  ['the first pause between attempts', FIRST_RETRY_PAUSE_MS, 'the longest pause', LONGEST_RETRY_PAUSE_MS],
  [
    'an attempt with the longest pause before it',
    LONGEST_RETRY_PAUSE_MS + ACTIVITY_ATTEMPT_MS,
    'reconciliation on an order and its workflow that disagree',
    DISAGREEMENT_GRACE_MS,
  ],
  [
    'the search for a server that does not answer',
    REQUEST_PATIENCE_MS + SERVER_CHECK_MS,
    'the claim of its request',
    CLAIM_LEASE_MS,
  ],
  ['a call to Temporal', CALL_DEADLINE_MS, 'its request', REQUEST_LIMIT_MS],
  [
    'the wait for a connection with the query that follows',
    CONNECTION_DEADLINE_MS + QUERY_DEADLINE_MS,
    'its request',
    REQUEST_LIMIT_MS,
  ],
  [
    'the answer to a notice with the two queries around it',
    NOTICE_ANSWER_MS + 2 * QUERY_DEADLINE_MS,
    'the attempt to deliver it',
    NOTICE_ATTEMPT_MS,
  ],
  [
    'the three queries of a run\u2019s end',
    3 * QUERY_DEADLINE_MS,
    'the attempt to record it',
    RUN_END_ATTEMPT_MS,
  ],
  ['the pause between two signs of life', HEARTBEAT_MS, 'Temporal on the activity', SILENT_FOR_MS],
  ['the search of a reconciliation', RECONCILE_FOR_MS, 'Temporal on its run', LONGEST_RUN_MS],
] as const;

test.each(PAIRS)('%s (%d ms) ends before %s gives up (%d ms)', (_inner, innerMs, _outer, outerMs) => {
  expect(innerMs).toBeLessThan(outerMs);
});
