/** Records how a payment stands that a person found out. */
import type { Database } from '../../db/connection.ts';
import { recordPayment } from '../../db/steps/payments/record-payment.ts';
import type { PaymentState } from '../../domain/payments.ts';
import { TEXT, isText, trimText } from '../../domain/text.ts';
import { toActivityFailure } from '../errors.ts';

export interface ResolveRequest {
  paymentId: string;
  outcome: Extract<PaymentState, 'declined' | 'voided' | 'captured' | 'authorised'>;
  /** The person's own words. */
  reason: string;
  /** ISO 8601, the workflow's time. */
  at: string;
}

export interface ResolvingActivities {
  resolvePayment: (request: ResolveRequest) => Promise<{ state: PaymentState }>;
}

export const createResolvingActivities = (database: Database): ResolvingActivities => ({
  async resolvePayment({ paymentId, outcome, reason, at }) {
    const why = toPaymentReason(reason);
    const request = { paymentId, state: outcome, at, ...(why !== undefined && { reason: why }) };
    const { state } = await toActivityFailure(`payment ${paymentId}`, recordPayment(database, request));
    return { state };
  },
});

/** As much of it as the reason of a payment may have: one line of it, and no more than that. */
export function toPaymentReason(words: string): string | undefined {
  const rule = TEXT.paymentReason;
  const line = Array.from(words.replace(/\p{C}+/gu, ' ')).slice(0, rule.max);
  const text = trimText(line.join(''), rule);
  return isText(text, rule) ? text : undefined;
}
