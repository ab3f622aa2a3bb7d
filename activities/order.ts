/**
 * The effects that orders have, as activities: each is one step on PostgreSQL and may be run any number of times.
 * What belongs here: the way from a workflow's request to one statement in db/, and the words in which its failure
 * reaches an operator. What an order does next is decided in workflows/.
 */
import { ApplicationFailure } from '@temporalio/common';
import type { Database } from '../db/connection.ts';
import { avoidLockedRows, rowsOfOrder, type Rows } from '../db/locked-rows.ts';
import {
  clearAttention,
  raiseAttention,
  recordIntervention,
  type ClearedAttention,
  type RaisedAttention,
  type RecordedIntervention,
} from '../db/attention.ts';
import { abandon, type AbandonRequest } from '../db/steps/cancel-reservation.ts';
import { decline } from '../db/steps/skip-payment.ts';
import { groupReservations } from './reservation-queue.ts';
import { pay, type PayRequest } from '../db/steps/pay.ts';
import { refund, type RefundRequest } from '../db/steps/refund.ts';
import { release, type ReleaseRequest } from '../db/steps/release.ts';
import type { PlacedOrder, StepResult } from '../db/steps/step.ts';
import { WALLET_FULL } from '../domain/attention.ts';
import { inWordsOfOrder } from './errors.ts';

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

/**
 * Every activity throws a retryable ApplicationFailure when PostgreSQL refuses or is away; see failure.ts. No step keeps its slot
 * while another session keeps a row locked that it needs.
 */
export function createActivities(database: Database): StepActivities & RecordActivities {
  const reserveInGroups = groupReservations(database);
  const unlessLocked =
    <Request extends { orderId: string }, Result>(
      what: string,
      rowsOf: (request: Request) => Rows | Promise<Rows>,
      act: (request: Request) => Promise<Result>,
    ) =>
    (request: Request): Promise<Result> =>
      inWordsOfOrder(
        what,
        request.orderId,
        avoidLockedRows(
          database,
          () => rowsOf(request),
          () => act(request),
        ),
      );
  const orderRow = ({ orderId }: { orderId: string }): Rows => ({ orders: [orderId] });
  const allRows = ({ orderId }: { orderId: string }) => rowsOfOrder(database, orderId);

  const refundUnlessLocked = unlessLocked(
    'refund',
    async (request) => {
      const { skus, ...rows } = await allRows(request);
      return request.restock ? { ...rows, skus } : rows;
    },
    (request: RefundRequest) => refund(database, request),
  );

  return {
    reserve: unlessLocked('reserve', rowsToReserve, reserveInGroups),
    abandon: (request) => inWordsOfOrder('abandon', request.orderId, abandon(database, request)),
    pay: unlessLocked('pay', allRows, (request: PayRequest) => pay(database, request)),
    decline: unlessLocked('decline', orderRow, (request: PayRequest) => decline(database, request)),
    release: unlessLocked(
      'release',
      async (request) => {
        const { holdsMoney, wallets, ...rows } = await allRows(request);
        return holdsMoney ? { ...rows, wallets } : rows;
      },
      (request: ReleaseRequest) => release(database, request),
    ),
    refund: async (request) => failUnlessItFits(request, await refundUnlessLocked(request)),
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

/** Only a hold changes the wallet as its order is reserved. */
const rowsToReserve = ({ lines, paymentMode, walletId }: PlacedOrder): Rows => ({
  skus: lines.map(({ sku }) => sku),
  ...(paymentMode === 'hold' && { wallets: [walletId] }),
});

/** @throws {ApplicationFailure} retryable, for a workflow that waits until the refund fits into the wallet. */
function failUnlessItFits({ orderId, mayWait }: RefundRequest, result: StepResult): StepResult {
  if (mayWait === true || result.refusal !== WALLET_FULL) return result;
  throw ApplicationFailure.create({
    type: WALLET_FULL,
    message: `The refund of order ${orderId} does not fit into its wallet, which is at its limit; it is tried again until there is room.`,
  });
}
