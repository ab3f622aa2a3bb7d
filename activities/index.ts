/**
 * The effects that orders have, as activities: each is one step on PostgreSQL and may be run any number of times.
 * What belongs here: the way from a workflow's request to one statement in db/, and the words in which its failure
 * reaches an operator. What an order does next is decided in workflows/.
 */
import { ApplicationFailure } from '@temporalio/common';
import type { Database } from '../db/connection.ts';
import {
  clearAttention,
  raiseAttention,
  recordIntervention,
  type ClearedAttention,
  type RaisedAttention,
  type RecordedIntervention,
} from '../db/attention.ts';
import { abandon, type AbandonRequest } from '../db/steps/abandon.ts';
import { decline } from '../db/steps/decline.ts';
import { groupReservations } from '../db/steps/group-commit.ts';
import { pay, type PayRequest } from '../db/steps/pay.ts';
import { refund, type RefundRequest } from '../db/steps/refund.ts';
import { release, type ReleaseRequest } from '../db/steps/release.ts';
import type { PlacedOrder, StepResult } from '../db/steps/step.ts';
import { WALLET_FULL } from '../workflows/contract.ts';
import { inWordsOfOrder } from './failure.ts';

export type { AbandonRequest, PayRequest, PlacedOrder, RefundRequest, ReleaseRequest, StepResult };

/** One activity per step; the keys are the activity types that the Web UI shows. */
export interface StepActivities {
  reserve: (order: PlacedOrder) => Promise<StepResult>;
  abandon: (request: AbandonRequest) => Promise<StepResult>;
  pay: (request: PayRequest) => Promise<StepResult>;
  decline: (request: PayRequest) => Promise<StepResult>;
  release: (request: ReleaseRequest) => Promise<StepResult>;
  refund: (request: RefundRequest) => Promise<StepResult>;
}

/** What is kept for operators. */
export interface RecordActivities {
  raiseAttention: (mark: RaisedAttention) => Promise<void>;
  clearAttention: (cleared: ClearedAttention) => Promise<void>;
  recordIntervention: (intervention: RecordedIntervention) => Promise<void>;
}

/** Every activity throws a retryable ApplicationFailure when PostgreSQL refuses or is away; see failure.ts. */
export function createActivities(database: Database): StepActivities & RecordActivities {
  const reserve = groupReservations(database);
  return {
    reserve: (order) => inWordsOfOrder('reserve', order.orderId, reserve(order)),
    abandon: (request) => inWordsOfOrder('abandon', request.orderId, abandon(database, request)),
    pay: (request) => inWordsOfOrder('pay', request.orderId, pay(database, request)),
    decline: (request) => inWordsOfOrder('decline', request.orderId, decline(database, request)),
    release: (request) => inWordsOfOrder('release', request.orderId, release(database, request)),
    refund: async (request) =>
      failUnlessItFits(request, await inWordsOfOrder('refund', request.orderId, refund(database, request))),
    raiseAttention: (mark) =>
      inWordsOfOrder('the attention mark', mark.orderId, raiseAttention(database, mark)),
    clearAttention: (cleared) =>
      inWordsOfOrder('clearing the attention mark', cleared.orderId, clearAttention(database, cleared)),
    recordIntervention: (intervention) =>
      inWordsOfOrder(
        'the record of an intervention',
        intervention.orderId,
        recordIntervention(database, intervention),
      ),
  };
}

/** @throws {ApplicationFailure} retryable, for a workflow that waits until the refund fits into the wallet. */
function failUnlessItFits({ orderId, mayWait }: RefundRequest, result: StepResult): StepResult {
  if (mayWait === true || result.stage !== 'paid' || result.reason !== WALLET_FULL) return result;
  throw ApplicationFailure.create({
    type: WALLET_FULL,
    message: `The refund of order ${orderId} does not fit into its wallet, which is at its limit; it is tried again until there is room.`,
  });
}
