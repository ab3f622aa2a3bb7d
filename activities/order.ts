/**
 * The effects that orders have, as activities: each is one step on PostgreSQL and may be run any number of times.
 * Here a workflow's request becomes one statement in db/, and a failure the sentence that an operator reads. What an
 * order does next is decided in workflows/.
 */
import { ApplicationFailure } from '@temporalio/common';
import {
  clearAttention,
  raiseAttention,
  recordIntervention,
  type ClearedAttention,
  type RaisedAttention,
  type RecordedIntervention,
} from '../db/attention.ts';
import type { Database } from '../db/connection.ts';
import { rowsOfOrder, type Rows } from '../db/lock-queries.ts';
import { avoidLockedRows } from '../db/locked-rows.ts';
import { cancelReservation, type CancelReservationRequest } from '../db/steps/cancel-reservation.ts';
import { pay, type PayRequest } from '../db/steps/pay.ts';
import { extendDeadline, type ExtendDeadlineRequest } from '../db/steps/payments/extend-deadline.ts';
import { openPayment, type OpenPaymentRequest } from '../db/steps/payments/open-payment.ts';
import { settle, type SettleRequest } from '../db/steps/payments/settle.ts';
import { refund, type RefundRequest } from '../db/steps/refund.ts';
import { putOffDeadline, type PutOffDeadlineRequest } from '../db/steps/put-off-deadline.ts';
import { release, type ReleaseRequest } from '../db/steps/release.ts';
import { skipPayment } from '../db/steps/skip-payment.ts';
import type { PlacedOrder, StepResult } from '../db/steps/step.ts';
import { WALLET_FULL } from '../domain/attention.ts';
import type { Step } from '../domain/order.ts';
import { MAIN_SHOP } from '../domain/shops.ts';
import { toActivityFailure } from './errors.ts';
import { groupReservations } from './reservation-queue.ts';

export type {
  CancelReservationRequest,
  ExtendDeadlineRequest,
  OpenPaymentRequest,
  PayRequest,
  PlacedOrder,
  PutOffDeadlineRequest,
  RefundRequest,
  ReleaseRequest,
  SettleRequest,
  StepResult,
};

/** One activity per step; the keys are the activity types that the Web UI shows. */
export interface StepActivities extends Record<Step, (request: never) => Promise<StepResult>> {
  reserve: (order: PlacedOrder) => Promise<StepResult>;
  abandon: (request: CancelReservationRequest) => Promise<StepResult>;
  pay: (request: PayRequest) => Promise<StepResult>;
  decline: (request: PayRequest) => Promise<StepResult>;
  openPayment: (request: OpenPaymentRequest) => Promise<StepResult>;
  settle: (request: SettleRequest) => Promise<StepResult>;
  /** For a payment under way, or because a person says so. */
  extendDeadline: (request: ExtendDeadlineRequest | PutOffDeadlineRequest) => Promise<StepResult>;
  release: (request: ReleaseRequest) => Promise<StepResult>;
  refund: (request: RefundRequest) => Promise<StepResult>;
}

/** What is recorded for operators. */
export interface RecordActivities {
  raiseAttention: (mark: RaisedAttention) => Promise<void>;
  clearAttention: (cleared: ClearedAttention) => Promise<void>;
  recordIntervention: (intervention: RecordedIntervention) => Promise<void>;
}

interface OfOrder {
  orderId: string;
}

/** Every activity throws a retryable ApplicationFailure when PostgreSQL refuses or does not answer; see errors.ts. */
export function createActivities(database: Database): StepActivities & RecordActivities {
  const activity =
    <Request extends OfOrder, Result>(
      what: string,
      act: (database: Database, request: Request) => Promise<Result>,
    ) =>
    (request: Request): Promise<Result> =>
      toActivityFailure(`${what} for order ${request.orderId}`, act(database, request));

  /** A step that gives up its slot while another session has locked a row that it needs. */
  const step = <Request extends OfOrder>(
    what: string,
    act: (database: Database, request: Request) => Promise<StepResult>,
    rowsOf: (database: Database, request: Request) => Rows | Promise<Rows>,
  ) =>
    activity(what, (_, request: Request) =>
      avoidLockedRows(
        database,
        () => rowsOf(database, request),
        () => act(database, request),
      ),
    );

  const reserveInGroups = groupReservations(database);
  const refundIfItFits = step('refund', refund, rowsToRefund);
  return {
    reserve: step('reserve', (_, order: PlacedOrder) => reserveInGroups(order), rowsToReserve),
    abandon: activity('abandon', cancelReservation),
    pay: step('pay', pay, rowsToPay),
    decline: step('decline', skipPayment, rowsOfItself),
    openPayment: step('open-payment', openPayment, rowsOfItself),
    settle: step('settle', settle, rowsToSettle),
    extendDeadline: step('extend-deadline', extendOrPutOff, rowsOfItself),
    release: step('release', release, rowsToRelease),
    refund: async (request) => failUnlessItFits(request, await refundIfItFits(request)),
    raiseAttention: activity('the attention mark', raiseAttention),
    clearAttention: activity('clearing the attention mark', clearAttention),
    recordIntervention: activity('the record of an intervention', recordIntervention),
  };
}

const extendOrPutOff = (
  database: Database,
  request: ExtendDeadlineRequest | PutOffDeadlineRequest,
): Promise<StepResult> =>
  'updateId' in request ? putOffDeadline(database, request) : extendDeadline(database, request);

// The rows that each step locks. Cancelling a reservation locks none: the order is not recorded yet.

/** Only a hold changes the wallet when its order is reserved. */
const rowsToReserve = (
  _: Database,
  { shopId = MAIN_SHOP, lines, paymentMode, walletId }: PlacedOrder,
): Rows => ({
  skus: lines.map(({ sku }) => ({ shopId, sku })),
  ...(paymentMode === 'hold' && { wallets: [walletId] }),
});

const rowsToPay = (database: Database, { orderId }: PayRequest): Promise<Rows> =>
  rowsOfOrder(database, orderId);

/** Of a step that changes no other row that it shares with other orders. */
const rowsOfItself = (_: Database, { orderId }: OfOrder): Rows => ({ orders: [orderId] });

async function rowsToSettle(database: Database, { orderId }: SettleRequest): Promise<Rows> {
  const { orders, skus } = await rowsOfOrder(database, orderId);
  return { orders, skus };
}

async function rowsToRelease(database: Database, { orderId }: ReleaseRequest): Promise<Rows> {
  const { holdsMoney, wallets, ...rows } = await rowsOfOrder(database, orderId);
  return holdsMoney ? { ...rows, wallets } : rows;
}

/** Units that are refunded change their lines, and those that go back on hand their SKUs. */
async function rowsToRefund(
  database: Database,
  { orderId, restock, amount, lines }: RefundRequest,
): Promise<Rows> {
  const { orders, wallets, skus } = await rowsOfOrder(database, orderId);
  if (amount !== undefined) return { orders, wallets };
  const isAsked = ({ sku }: { sku: string }) => lines?.some((line) => line.sku === sku) ?? true;
  const isRestocked = ({ sku }: { sku: string }) =>
    lines?.some((line) => line.sku === sku && line.restock) ?? restock;
  return {
    orders,
    lines: skus.filter(isAsked).map(({ sku }) => ({ orderId, sku })),
    skus: skus.filter(isRestocked),
    wallets,
  };
}

/** @throws {ApplicationFailure} retryable, for a workflow that waits until the refund fits into the wallet. */
function failUnlessItFits({ orderId, mayWait }: RefundRequest, result: StepResult): StepResult {
  if (mayWait === true || result.refusal !== WALLET_FULL) return result;
  throw ApplicationFailure.create({
    type: WALLET_FULL,
    message: `The refund of order ${orderId} does not fit into its wallet, which is at its limit; it is retried until there is room.`,
  });
}
