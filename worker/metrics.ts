/** What a worker process counts: the attempts at steps, how payments end, and what published events say. */
import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import type { Logger } from 'pino';
import type { JustPublished } from '../db/events/publish.ts';
import type { Database } from '../db/database.ts';
import { readMoves, type Move } from '../db/gauges/moves.ts';
import type { RecordedPayment } from '../db/steps/payments/record-payment.ts';
import type { OrderEventType } from '../domain/events.ts';
import { MEASURES, type Measure } from '../domain/measures.ts';
import {
  PAYMENT_RESULTS,
  type PaymentResult,
  type StepAttempt,
  type TimedStage,
  type WORKER_METRICS,
} from '../domain/metrics.ts';
import { REJECTION_REASONS, STEPS, type RejectionReason, type Step } from '../domain/order.ts';
import type { PaymentState } from '../domain/payments.ts';
import type { Metrics } from '../process/metrics.ts';

export type WorkerMetrics = Metrics<typeof WORKER_METRICS>;

/** Logs how each attempt at an activity ended, and counts those at steps. What it logs carries what the attempt is about. */
export const watchActivities =
  (logger: Logger, metrics?: WorkerMetrics): ActivityInterceptorsFactory =>
  ({ info: { activityType, isLocal, attempt } }) => ({
    inbound: {
      async execute(input, next) {
        const started = performance.now();
        const ended = (result: 'done' | 'refused' | 'failed'): { ms: number } => {
          const ms = performance.now() - started;
          if (metrics && isStep(activityType)) {
            const labels = { step: activityType, attempt: attemptOf(isLocal, attempt), result };
            metrics.count('holdfast_step_attempts_total', labels);
            metrics.observe('holdfast_step_duration_seconds', { step: activityType }, ms / 1_000);
          }
          return { ms: Math.round(ms) };
        };
        try {
          const answer = await next(input);
          const refusal = refusalOf(answer);
          logger.debug(ended(refusal === undefined ? 'done' : 'refused'), 'activity ended');
          if (activityType === 'pay' && refusal === 'insufficient_funds')
            metrics?.count('holdfast_payments_total', { method: 'wallet', result: 'declined' });
          return answer;
        } catch (error) {
          logger.warn({ ...ended('failed'), err: error }, 'activity failed');
          throw error;
        }
      },
    },
  });

const isStep = (name: string): name is Step => STEPS.some((step) => step === name);

function attemptOf(isLocal: boolean, attempt: number): StepAttempt {
  if (isLocal) return 'quick';
  return attempt === 1 ? 'fallback' : 'retry';
}

/** Why a step had no effect: a refusal, or a rejection. */
function refusalOf(answer: unknown): string | undefined {
  if (typeof answer !== 'object' || answer === null) return undefined;
  if ('refusal' in answer && typeof answer.refusal === 'string') return answer.refusal;
  return 'stage' in answer && answer.stage === 'rejected' ? 'rejected' : undefined;
}

const isResult = (state: PaymentState): state is PaymentResult =>
  PAYMENT_RESULTS.some((result) => result === state);

/** Counts a payment of a part of an order once it has ended. */
export const countPayments =
  (metrics: WorkerMetrics) =>
  ({ method, state }: RecordedPayment): void => {
    if (isResult(state)) metrics.count('holdfast_payments_total', { method, result: state });
  };

const isRejection = (reason: string | null): reason is RejectionReason =>
  REJECTION_REASONS.some((known) => known === reason);

/** What comes on top of these while PostgreSQL does not answer is counted by type alone. */
const MOST_WAITING = 10_000;
/** Some tens of milliseconds. */
const READ_AT_ONCE = 500;

/** Counts what was published, and never keeps the next events waiting. @param report gets the first error of those that follow each other. */
export function countPublished(
  metrics: WorkerMetrics,
  database: Database,
  report: (error: unknown) => void,
): (published: readonly JustPublished[]) => void {
  let waiting: JustPublished[] = [];
  let isReading = false;
  let isFailing = false;

  async function readWaiting(): Promise<void> {
    isReading = true;
    while (waiting.length > 0) {
      const some = waiting.slice(0, READ_AT_ONCE);
      waiting = waiting.slice(READ_AT_ONCE);
      try {
        for (const move of await readMoves(database, some)) countMove(metrics, move);
        isFailing = false;
      } catch (error) {
        if (!isFailing) report(error);
        isFailing = true;
      }
    }
    isReading = false;
  }

  return (published) => {
    for (const { type } of published) metrics.count('holdfast_order_events_total', { type });
    if (waiting.length < MOST_WAITING) waiting = [...waiting, ...published];
    if (!isReading) void readWaiting();
  };
}

function countMove(
  metrics: WorkerMetrics,
  { type, reason, awaited, worked, late, isPaidAtOnce }: Move,
): void {
  if (type === 'order.rejected' && isRejection(reason))
    metrics.count('holdfast_reservations_refused_total', { reason });
  if (isPaidAtOnce) metrics.count('holdfast_payments_total', { method: 'wallet', result: 'captured' });
  const took = (stage: TimedStage | undefined, seconds: number | null): void => {
    if (stage !== undefined && seconds !== null)
      metrics.observe('holdfast_order_stage_duration_seconds', { stage }, Math.max(0, seconds));
  };
  took('awaiting_payment', awaited);
  took(WORKED_IN[type], worked);
  // Two clocks: the deadline is the worker's.
  if (late !== null) metrics.observe('holdfast_order_expiry_delay_seconds', {}, Math.max(0, late));
}

/** In which stage Holdfast worked on what the event says. */
const WORKED_IN: Readonly<Partial<Record<OrderEventType, TimedStage>>> = {
  'order.awaiting_payment': 'reserving',
  'order.rejected': 'reserving',
  'order.paid': 'paying',
  'order.partially_refunded': 'refunding',
  'order.refunded': 'refunding',
};

/** For comparing them with what was measured. */
export function showThresholds(metrics: WorkerMetrics, thresholds: Readonly<Record<Measure, number>>): void {
  for (const measure of MEASURES) metrics.set('holdfast_measure_threshold', { measure }, thresholds[measure]);
}
