import { expect, test } from 'vitest';
import {
  ACTIVITY_ATTEMPT_MS,
  CALL_DEADLINE_MS,
  CONNECTION_DEADLINE_MS,
  LOCAL_ATTEMPT_MS,
  LOCK_TIMEOUT_MS,
  LONGEST_RUN_MS,
  QUERY_DEADLINE_MS,
  RECONCILE_FOR_MS,
  REQUEST_LIMIT_MS,
  STATEMENT_TIMEOUT_MS,
  WORKFLOW_TASK_MS,
} from '../../domain/timeouts.ts';

/** What ends, and what gives up on it only afterwards. */
const PAIRS = [
  ['a wait for a lock', LOCK_TIMEOUT_MS, 'its statement', STATEMENT_TIMEOUT_MS],
  ['a statement', STATEMENT_TIMEOUT_MS, 'its query', QUERY_DEADLINE_MS],
  ['a query', QUERY_DEADLINE_MS, 'the local attempt of a step', LOCAL_ATTEMPT_MS],
  ['a local attempt', LOCAL_ATTEMPT_MS, 'its workflow task', WORKFLOW_TASK_MS],
  ['a query', QUERY_DEADLINE_MS, 'an attempt as a regular activity', ACTIVITY_ATTEMPT_MS],
  ['a call to Temporal', CALL_DEADLINE_MS, 'its request', REQUEST_LIMIT_MS],
  [
    'the wait for a connection with the query that follows',
    CONNECTION_DEADLINE_MS + QUERY_DEADLINE_MS,
    'its request',
    REQUEST_LIMIT_MS,
  ],
  ['the looking of a reconciliation', RECONCILE_FOR_MS, 'its run', LONGEST_RUN_MS],
] as const;

test.each(PAIRS)('%s, %d ms, ends before %s gives up', (_inner, innerMs, _outer, outerMs) => {
  expect(innerMs).toBeLessThan(outerMs);
});
