/**
 * What is spoken with the payment provider: JSON over HTTP, as payment providers do. docs/payments.md describes it for those who connect
 * another provider. Amounts are integers in minor units.
 */
import { z } from 'zod';
import { PROVIDER_STATES, type ProviderState } from '../../domain/payment-provider.ts';

export { PROVIDER_STATES, type ProviderState };

/** The moves that callers may ask for. A refund leaves a payment `captured`. */
export const PROVIDER_MOVES: Readonly<Record<ProviderState, readonly ProviderState[]>> = {
  pending: ['voided'],
  authorised: ['captured', 'voided'],
  declined: [],
  captured: [],
  voided: [],
};

const id = z.string().min(1).max(100);
const amount = z.int().positive();

export const openBody = z.strictObject({
  /** The caller's id of the payment, by which it can ask for it: the same reference opens one payment. */
  reference: id,
  /** The caller's id of what is paid for. */
  order: id,
  amount,
  currency: z.string().regex(/^[A-Z]{3}$/),
  /** What the buyer pays with, as the provider's page gave it to the shop. */
  source: z.string().min(1).max(200),
});

export const captureBody = z.strictObject({ amount });
export const refundBody = z.strictObject({ reference: id, amount });

/** A payment as the provider answers and notifies. */
export interface ProviderPayment {
  id: string;
  reference: string;
  order: string;
  state: ProviderState;
  amount: number;
  currency: string;
  captured: number;
  refunded: number;
  /** Why it was declined. */
  reason?: string;
  /** Rises with each change: tells an older notification from a newer one. */
  version: number;
}

/** A payment as it is shown, without what a book knows besides. */
export function toReply(payment: ProviderPayment): ProviderPayment {
  const { id: name, reference, order, state, amount: asked, currency, captured, refunded, reason } = payment;
  return {
    id: name,
    reference,
    order,
    state,
    amount: asked,
    currency,
    captured,
    refunded,
    ...(reason !== undefined && { reason }),
    version: payment.version,
  };
}

export const NOTIFICATION_TYPES = [
  'payment.pending',
  'payment.authorised',
  'payment.declined',
  'payment.captured',
  'payment.voided',
  'payment.refunded',
] as const;
export type NotificationType = (typeof NOTIFICATION_TYPES)[number];

/** The body of a notification. Its id is the header `webhook-id`, the same whenever it is sent again. */
export interface Notification {
  type: NotificationType;
  at: string;
  data: ProviderPayment;
}

/** Every refusal: the body of a 4xx. */
export const REFUSALS = {
  unauthorised: 401,
  not_found: 404,
  invalid: 400,
  key_reused: 422,
  not_capturable: 409,
  not_voidable: 409,
  not_refundable: 409,
  refund_too_large: 409,
  declined: 402,
} as const;
export type Refusal = keyof typeof REFUSALS;
