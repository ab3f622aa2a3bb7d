/** The words of a payment: money from one source for one order. */

export const PAYMENT_METHODS = ['wallet', 'provider'] as const;
/** `wallet`: the order's own wallet. `provider`: from outside, see domain/payment-provider.ts. */
export type PaymentMethod = (typeof PAYMENT_METHODS)[number];

export const PAYMENT_STATES = [
  'pending',
  'authorised',
  'capturing',
  'captured',
  'declined',
  'voided',
  'returned',
] as const;
/**
 * - pending: asked for, and not known yet
 * - authorised: the money is set aside for the order
 * - capturing: the order takes it; whether it is taken is not known yet
 * - captured: taken
 * - declined: refused, before or when it was to be captured
 * - voided: given up before it was captured
 * - returned: captured although the order could not use it, and given back as a whole
 */
export type PaymentState = (typeof PAYMENT_STATES)[number];

/**
 * The only moves of a payment. What was declined or voided may be captured all the same: then the money came, is recorded, and is given
 * back. `from` is null for a payment's first event.
 */
export const PAYMENT_MOVES: readonly { from: PaymentState | null; to: PaymentState }[] = [
  { from: null, to: 'pending' },
  { from: 'pending', to: 'authorised' },
  { from: 'pending', to: 'captured' },
  { from: 'pending', to: 'declined' },
  { from: 'pending', to: 'voided' },
  { from: 'authorised', to: 'capturing' },
  { from: 'authorised', to: 'captured' },
  { from: 'authorised', to: 'declined' },
  { from: 'authorised', to: 'voided' },
  { from: 'capturing', to: 'captured' },
  { from: 'capturing', to: 'declined' },
  { from: 'capturing', to: 'voided' },
  { from: 'captured', to: 'returned' },
  { from: 'declined', to: 'captured' },
  { from: 'voided', to: 'captured' },
];

export const mayPaymentMove = (from: PaymentState, to: PaymentState): boolean =>
  PAYMENT_MOVES.some((move) => move.from === from && move.to === to);

/** Why a payment was declined, voided or returned when Holdfast decided; a provider's own reason is free text. */
export const PAYMENT_REASONS = [
  'insufficient_funds',
  'wrong_amount',
  'wrong_currency',
  'wrong_order',
  'order_over',
  'void_requested',
  'unknown_to_provider',
  'refund_refused',
] as const;
export type PaymentReason = (typeof PAYMENT_REASONS)[number];

/** How many payments one order may have, however they ended: each is a workflow, and a row that every settling statement locks. */
export const PAYMENTS_LIMIT = 20;

export const PAYMENT_HOLD_STATES = ['held', 'captured', 'voided', 'declined'] as const;
/** How the money stands that a payment by wallet sets aside there. */
export type PaymentHoldState = (typeof PAYMENT_HOLD_STATES)[number];

export const NOTIFICATION_STATES = ['received', 'handled', 'unmatched', 'returned'] as const;
/**
 * - received: kept, and its payment was not asked about yet
 * - handled: its payment was asked about at the provider since
 * - unmatched: of a payment that nobody here asked for
 * - returned: that money was voided or refunded
 */
export type NotificationState = (typeof NOTIFICATION_STATES)[number];

export const REFUND_PAYMENT_STATES = ['owed', 'sent', 'to_wallet'] as const;
/** How the part of a refund stands that goes back to a payment: `to_wallet` when its provider refused it for good. */
export type RefundPaymentState = (typeof REFUND_PAYMENT_STATES)[number];

export const PAYMENT_OUTCOMES = [
  'declined',
  'voided',
  'captured',
  'authorised',
] as const satisfies readonly PaymentState[];
/** What a person may know of a payment that stays unknown, from its provider. */
export type PaymentOutcome = (typeof PAYMENT_OUTCOMES)[number];

export const OWED_OUTCOMES = ['refunded', 'to_wallet'] as const;
/**
 * What a person may decide about money that is owed and that the provider does not give back: somebody gave it back by hand, or the order's
 * wallet gets it.
 */
export type OwedOutcome = (typeof OWED_OUTCOMES)[number];
