/** What Holdfast needs from a source of money: a port. activities/payments/ has the adapters. */

/** Where a payment is at its provider. A refund leaves it `captured`. */
export const PROVIDER_STATES = ['pending', 'authorised', 'declined', 'captured', 'voided'] as const;
export type ProviderState = (typeof PROVIDER_STATES)[number];

/** A payment as its provider knows it. Amounts are in minor units. */
export interface ProviderPayment {
  /** The provider's own id. */
  id: string;
  /** Ours: the payment's id. */
  reference: string;
  /** The order that it is for, as the provider knows it. */
  order: string;
  state: ProviderState;
  amount: number;
  currency: string;
  captured: number;
  refunded: number;
  /** Why it was declined. */
  reason?: string;
}

export interface AuthoriseRequest {
  reference: string;
  orderId: string;
  amount: number;
  currency: string;
  /** What the buyer pays with, as the provider gave it to the shop. */
  source: string;
}

/**
 * Each call has the same effect however often it is made with the same reference. It ends in one of three ways: with the payment as it is
 * now, with {@link ProviderRefusedError}, or with {@link ProviderUnknownError}, after which nobody knows whether it had its effect: make the
 * same call again, or ask with `find`.
 */
export interface PaymentProvider {
  authorise(request: AuthoriseRequest): Promise<ProviderPayment>;
  /** Takes the whole amount that was authorised. */
  capture(payment: Pick<ProviderPayment, 'id' | 'reference' | 'amount'>): Promise<ProviderPayment>;
  void(payment: Pick<ProviderPayment, 'id' | 'reference'>): Promise<ProviderPayment>;
  /**
   * Gives back a part of what was captured, or all of it.
   * @param refund `reference` makes it once among the refunds of this payment: the id of the order's refund, or the nil UUID for a payment
   * that is returned as a whole.
   * @throws {WalletFullError} when the money does not fit into the wallet that it came from.
   */
  refund(
    payment: Pick<ProviderPayment, 'id'>,
    refund: { reference: string; amount: number },
  ): Promise<ProviderPayment>;
  /** The question for the state; undefined when the provider has no payment with this reference. */
  find(reference: string): Promise<ProviderPayment | undefined>;
}

export const PROVIDER_REFUSALS = [
  'declined',
  'not_capturable',
  'not_voidable',
  'not_refundable',
  'refund_too_large',
] as const;
/**
 * - declined: the bank does not give the money
 * - not_capturable, not_voidable, not_refundable: the payment is in a state that it does not leave this way
 * - refund_too_large: more than is left of what was captured
 */
export type ProviderRefusal = (typeof PROVIDER_REFUSALS)[number];

/** The provider answered, and will not do it: the same call gets the same answer. */
export class ProviderRefusedError extends Error {
  override name = 'ProviderRefusedError';
  readonly code: ProviderRefusal;

  constructor(code: ProviderRefusal, message: string) {
    super(message);
    this.code = code;
  }
}

/** Nobody knows whether the call had its effect. */
export class ProviderUnknownError extends Error {
  override name = 'ProviderUnknownError';
}

/** Nothing was given back: the wallet is at its limit. The same call succeeds once there is room. */
export class WalletFullError extends Error {
  override name = 'WalletFullError';
}
