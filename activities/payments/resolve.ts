/** Records what a person found out about a payment, or decided about what is owed of it. */
import { ApplicationFailure } from '@temporalio/common';
import type { Database } from '../../db/connection.ts';
import type { GiveToWalletRequest } from '../../db/payments/give-to-wallet.ts';
import { NIL_UUID } from '../../db/schema/columns.ts';
import { markRefundSent } from '../../db/steps/payments/mark-refund-sent.ts';
import { recordPayment, type RecordedPayment } from '../../db/steps/payments/record-payment.ts';
import { returnPayment } from '../../db/steps/payments/return-payment.ts';
import { WalletFullError } from '../../domain/payment-provider.ts';
import type { PaymentState } from '../../domain/payments.ts';
import { TEXT, isText, trimText } from '../../domain/text.ts';
import { toActivityFailure } from '../errors.ts';
import { giveToOrdersWallet } from './wallet-provider.ts';

export interface ResolveRequest {
  paymentId: string;
  outcome: Extract<PaymentState, 'declined' | 'voided' | 'captured' | 'authorised'>;
  /** The person's own words. */
  reason: string;
  /** ISO 8601, the workflow's time. */
  at: string;
}

export interface ResolveOwedRequest {
  paymentId: string;
  /** Of the refund that is owed; the nil UUID for all of a payment that its order cannot use. */
  commandId: string;
  /** `refunded`: somebody gave it back by hand. */
  outcome: 'refunded' | 'to_wallet';
  reason: string;
  at: string;
}

export interface ResolvingActivities {
  resolvePayment: (request: ResolveRequest) => Promise<{ state: PaymentState }>;
  /** Changes nothing when it was given back in the meantime. */
  resolveOwed: (request: ResolveOwedRequest) => Promise<{ state: PaymentState }>;
}

/** @param onMove hears of each move that is recorded, once. */
export const createResolvingActivities = (
  database: Database,
  onMove?: (moved: RecordedPayment) => void,
): ResolvingActivities => ({
  async resolvePayment({ paymentId, outcome, reason, at }) {
    const why = toPaymentReason(reason);
    const request = { paymentId, state: outcome, at, ...(why !== undefined && { reason: why }) };
    const moved = await toActivityFailure(`payment ${paymentId}`, recordPayment(database, request));
    if (moved.changed) onMove?.(moved);
    return { state: moved.state };
  },
  async resolveOwed({ paymentId, commandId, outcome, reason, at }) {
    if (outcome === 'to_wallet') await giveUnlessFull(database, { paymentId, commandId });
    const why = toPaymentReason(reason) ?? 'refund_refused';
    if (commandId === NIL_UUID) {
      const returning = returnPayment(database, { paymentId, reason: why, at });
      const moved = await toActivityFailure(`payment ${paymentId}`, returning);
      if (moved.changed) onMove?.(moved);
      return { state: moved.state };
    }
    await toActivityFailure(`payment ${paymentId}`, markRefundSent(database, { paymentId, commandId }));
    return { state: 'captured' };
  },
});

/** A person does not wait for room: the decision is refused, and may be made again. */
async function giveUnlessFull(database: Database, request: GiveToWalletRequest): Promise<void> {
  try {
    await giveToOrdersWallet(database, request);
  } catch (error) {
    if (error instanceof WalletFullError)
      throw ApplicationFailure.create({ type: 'wallet_full', message: error.message, nonRetryable: true });
    await toActivityFailure(`payment ${request.paymentId}`, Promise.reject(error));
  }
}

/** As much of it as the reason of a payment may have: one line of it, and no more than that. */
export function toPaymentReason(words: string): string | undefined {
  const rule = TEXT.paymentReason;
  const line = Array.from(words.replace(/\p{C}+/gu, ' ')).slice(0, rule.max);
  const text = trimText(line.join(''), rule);
  return isText(text, rule) ? text : undefined;
}
