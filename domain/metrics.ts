/**
 * The metrics of Holdfast: their names, labels and buckets, in Prometheus' conventions (base units, counters end in `_total`). Every label
 * has a closed list of values, or a bound on how many it may have, so that the number of series is bounded: see docs/monitoring.md.
 */
import { ATTENTION_REASONS } from './attention.ts';
import { ORDER_EVENT_TYPES } from './events.ts';
import { MEASURES, RUN_NAMES } from './measures.ts';
import { REJECTION_REASONS, STEPS } from './order.ts';
import { PAYMENT_METHODS } from './payments.ts';
import { FINDING_KINDS } from './rules.ts';
import { WEBHOOK_STATES } from './webhooks.ts';

/** The pools of connections to PostgreSQL, in API and worker processes. */
export const POOLS = ['api', 'worker', 'webhooks', 'payments'] as const;
export type PoolName = (typeof POOLS)[number];

export const STEP_ATTEMPTS = ['quick', 'fallback', 'retry'] as const;
/** `quick` within a workflow task, `fallback` the first one as an activity of its own, `retry` every later one. */
export type StepAttempt = (typeof STEP_ATTEMPTS)[number];

export const STEP_ENDS = ['done', 'refused', 'failed'] as const;
/** `refused`: it had no effect, for a reason that the caller gets. `failed`: it is tried again. */
export type StepEnd = (typeof STEP_ENDS)[number];

export const PAYMENT_RESULTS = ['captured', 'declined', 'voided', 'returned'] as const;
export type PaymentResult = (typeof PAYMENT_RESULTS)[number];

/** The stages in which an order waits for something: for Holdfast in a passing stage, else for its buyer. */
export const TIMED_STAGES = ['reserving', 'awaiting_payment', 'paying', 'refunding'] as const;
export type TimedStage = (typeof TIMED_STAGES)[number];

/** The states of a payment in which something is left to do; `unused`: captured, and its order cannot use it. */
export const UNSETTLED_STATES = ['pending', 'authorised', 'capturing', 'unused'] as const;

/** Each of the operations has one route, and there are the documents and the checks of health. */
const MOST_ROUTES = 150;
const MOST_STATUSES = 40;
const MOST_CODES = 150;
const MOST_TABLES = 100;
/** One version per process. */
const MOST_VERSIONS = 1;

/** Around the promise of 500 ms. */
const ANSWER_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10];
const STATEMENT_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
/** From an answer within a call to a window of days. */
const STAGE_BUCKETS = [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 60, 300, 900, 1_800, 3_600, 86_400];
const EXPIRY_BUCKETS = [0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 1_800];

/** Of every process. */
export const PROCESS_METRICS = {
  holdfast_build_info: {
    type: 'gauge',
    help: '1, with the version that runs.',
    labels: { version: { atMost: MOST_VERSIONS } },
  },
  holdfast_database_pool_connections: {
    type: 'gauge',
    help: 'Queries that a pool of connections runs at once.',
    labels: { pool: POOLS },
  },
  holdfast_database_pool_connections_in_use: {
    type: 'gauge',
    help: 'Queries that the pool is running.',
    labels: { pool: POOLS },
  },
  holdfast_database_pool_waiting: {
    type: 'gauge',
    help: 'Queries that wait for a connection of the pool.',
    labels: { pool: POOLS },
  },
  holdfast_database_pool_refusals_total: {
    type: 'counter',
    help: 'Queries that got no connection in time and did not run.',
    labels: { pool: POOLS },
  },
} as const;

/** Of API processes. */
export const API_METRICS = {
  holdfast_http_requests_total: {
    type: 'counter',
    help: 'Requests that were answered. The code is that of the problem, or empty.',
    labels: {
      method: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'other'],
      route: { atMost: MOST_ROUTES },
      status: { atMost: MOST_STATUSES },
      code: { atMost: MOST_CODES },
    },
  },
  holdfast_http_request_duration_seconds: {
    type: 'histogram',
    help: 'From the first look at a request to its answer, or to the beginning of a stream.',
    labels: {
      method: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'other'],
      route: { atMost: MOST_ROUTES },
    },
    buckets: ANSWER_BUCKETS,
  },
  holdfast_http_requests_in_flight: {
    type: 'gauge',
    help: 'Requests that are not answered yet.',
    labels: {},
  },
} as const;

/** Of worker processes. */
export const WORKER_METRICS = {
  holdfast_order_events_total: {
    type: 'counter',
    help: 'What happened to orders, each event once in all worker processes together.',
    labels: { type: ORDER_EVENT_TYPES },
  },
  holdfast_reservations_refused_total: {
    type: 'counter',
    help: 'Orders that were rejected.',
    labels: { reason: REJECTION_REASONS },
  },
  holdfast_order_stage_duration_seconds: {
    type: 'histogram',
    help: 'How long orders were in a stage: in a passing one from the request to what it led to.',
    labels: { stage: TIMED_STAGES },
    buckets: STAGE_BUCKETS,
  },
  holdfast_order_expiry_delay_seconds: {
    type: 'histogram',
    help: "From an order's deadline to its recorded expiry.",
    labels: {},
    buckets: EXPIRY_BUCKETS,
  },
  holdfast_payments_total: {
    type: 'counter',
    help: 'Payments that ended: all of an order from its wallet, or a part of it.',
    labels: { method: PAYMENT_METHODS, result: PAYMENT_RESULTS },
  },
  holdfast_step_attempts_total: {
    type: 'counter',
    help: 'Attempts at the steps of orders and refunds.',
    labels: { step: STEPS, attempt: STEP_ATTEMPTS, result: STEP_ENDS },
  },
  holdfast_step_duration_seconds: {
    type: 'histogram',
    help: 'How long an attempt at a step took.',
    labels: { step: STEPS },
    buckets: STATEMENT_BUCKETS,
  },
  holdfast_measure_threshold: {
    type: 'gauge',
    help: "The monitor's threshold of a measure, from the settings.",
    labels: { measure: MEASURES },
  },
} as const;

/** What all processes share. Every process reads it from PostgreSQL and says the same: take the maximum, never the sum. */
export const INSTALLATION_METRICS = {
  holdfast_database_up: {
    type: 'gauge',
    help: '1 when PostgreSQL answered, else 0; then the others here are missing.',
    labels: {},
  },
  holdfast_orders_awaiting_payment: {
    type: 'gauge',
    help: 'Open orders.',
    labels: {},
  },
  holdfast_orders_past_deadline: {
    type: 'gauge',
    help: 'Open orders whose deadline has passed.',
    labels: {},
  },
  holdfast_order_longest_past_deadline_seconds: {
    type: 'gauge',
    help: 'Since when the first of these should have expired.',
    labels: {},
  },
  holdfast_payments_unsettled: {
    type: 'gauge',
    help: 'Payments in a state in which something is left to do.',
    labels: { state: UNSETTLED_STATES },
  },
  holdfast_attention_marks: {
    type: 'gauge',
    help: 'Orders, refunds and payments that need a person.',
    labels: { reason: ATTENTION_REASONS },
  },
  holdfast_findings_open: {
    type: 'gauge',
    help: 'What reconciliation found and nobody has set right.',
    labels: { kind: FINDING_KINDS },
  },
  holdfast_alerts_open: {
    type: 'gauge',
    help: "1 while the monitor's alert of this measure is open, else 0.",
    labels: { measure: MEASURES },
  },
  holdfast_measure: {
    type: 'gauge',
    help: 'What the monitor measured last; seconds, a count, or a share from 0 to 1.',
    labels: { measure: MEASURES },
  },
  holdfast_measure_timestamp_seconds: {
    type: 'gauge',
    help: 'When the monitor last measured.',
    labels: {},
  },
  holdfast_run_end_timestamp_seconds: {
    type: 'gauge',
    help: 'When a scheduled run last ended.',
    labels: { run: RUN_NAMES },
  },
  holdfast_events_unpublished: {
    type: 'gauge',
    help: 'Events of orders that are recorded and not published.',
    labels: {},
  },
  holdfast_event_oldest_unpublished_seconds: {
    type: 'gauge',
    help: 'How long the oldest of these has waited.',
    labels: {},
  },
  holdfast_webhooks: {
    type: 'gauge',
    help: 'Webhooks by state.',
    labels: { state: WEBHOOK_STATES },
  },
  holdfast_webhook_deliveries_pending: {
    type: 'gauge',
    help: 'Events that are to be sent to webhooks.',
    labels: {},
  },
  holdfast_webhook_delivery_oldest_pending_seconds: {
    type: 'gauge',
    help: 'How long the oldest of these has waited.',
    labels: {},
  },
  holdfast_postgres_sessions: {
    type: 'gauge',
    help: "Sessions of PostgreSQL's clients, in this database and in its others.",
    labels: { database: ['this', 'other'] },
  },
  holdfast_postgres_sessions_limit: {
    type: 'gauge',
    help: 'max_connections.',
    labels: {},
  },
  holdfast_postgres_locks_waiting: {
    type: 'gauge',
    help: 'Sessions that wait for a lock of another one.',
    labels: {},
  },
  holdfast_postgres_transactions_total: {
    type: 'counter',
    help: 'Transactions of this database.',
    labels: { result: ['committed', 'rolled_back'] },
  },
  holdfast_postgres_blocks_total: {
    type: 'counter',
    help: 'Blocks that queries of this database needed, and where they were.',
    labels: { from: ['memory', 'disk'] },
  },
  holdfast_postgres_rows_total: {
    type: 'counter',
    help: 'Rows that queries of this database read or changed.',
    labels: { what: ['returned', 'fetched', 'inserted', 'updated', 'deleted'] },
  },
  holdfast_postgres_deadlocks_total: {
    type: 'counter',
    help: 'Deadlocks in this database.',
    labels: {},
  },
  holdfast_postgres_temporary_bytes_total: {
    type: 'counter',
    help: 'What queries of this database wrote to temporary files.',
    labels: {},
  },
  holdfast_postgres_database_bytes: {
    type: 'gauge',
    help: 'The size of this database.',
    labels: {},
  },
  holdfast_postgres_table_bytes: {
    type: 'gauge',
    help: 'The size of a table with its indexes and its months.',
    labels: { table: { atMost: MOST_TABLES } },
  },
  holdfast_postgres_dead_rows: {
    type: 'gauge',
    help: 'Rows of a table that vacuum has yet to remove.',
    labels: { table: { atMost: MOST_TABLES } },
  },
} as const;
