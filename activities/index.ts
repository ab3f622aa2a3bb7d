/**
 * The effects that orders have, as activities: each is one step on PostgreSQL and may be run any number of times.
 * What belongs here: the way from a workflow's request to one statement in db/, and the words in which its failure
 * reaches an operator. What an order does next is decided in workflows/.
 */
import type { Database } from '../db/connection.ts';
import { abandon, type AbandonRequest } from '../db/steps/abandon.ts';
import { pay, type PayRequest } from '../db/steps/pay.ts';
import { refund, type RefundRequest } from '../db/steps/refund.ts';
import { release, type ReleaseRequest } from '../db/steps/release.ts';
import { reserve } from '../db/steps/reserve.ts';
import type { PlacedOrder, StepResult } from '../db/steps/step.ts';
import { inWords } from './failure.ts';

export type { AbandonRequest, PayRequest, PlacedOrder, RefundRequest, ReleaseRequest, StepResult };

/** One activity per step; the keys are the activity types that the Web UI shows. */
export interface StepActivities {
  reserve: (order: PlacedOrder) => Promise<StepResult>;
  abandon: (request: AbandonRequest) => Promise<StepResult>;
  pay: (request: PayRequest) => Promise<StepResult>;
  release: (request: ReleaseRequest) => Promise<StepResult>;
  refund: (request: RefundRequest) => Promise<StepResult>;
}

/** Every activity throws a retryable ApplicationFailure when PostgreSQL refuses or is away; see failure.ts. */
export function createActivities(database: Database): StepActivities {
  return {
    reserve: (order) => inWords('reserve', order.orderId, reserve(database, order)),
    abandon: (request) => inWords('abandon', request.orderId, abandon(database, request)),
    pay: (request) => inWords('pay', request.orderId, pay(database, request)),
    release: (request) => inWords('release', request.orderId, release(database, request)),
    refund: (request) => inWords('refund', request.orderId, refund(database, request)),
  };
}
