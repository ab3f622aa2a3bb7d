/** The words for an order that needs a person's attention, and for what that person may do. */
import type { Step } from './order.ts';

/** What is wrong: a kind of step that keeps failing, or a wallet at its limit, into which a refund does not fit, or a payment that stays unknown. */
export const ATTENTION_REASONS = [
  'reservation_failing',
  'payment_failing',
  'compensation_failing',
  'refund_failing',
  'wallet_full',
  'payment_unknown',
] as const;
export type AttentionReason = (typeof ATTENTION_REASONS)[number];

/** Why a refund waits: the refusal of its step, and the reason of its attention mark. */
export const WALLET_FULL = 'wallet_full' satisfies AttentionReason;

/** The reason of the mark on a payment of which nobody knows how it stands at its provider. */
export const PAYMENT_UNKNOWN = 'payment_unknown' satisfies AttentionReason;

export const ATTENTION_REASON: Readonly<Record<Step, AttentionReason>> = {
  reserve: 'reservation_failing',
  abandon: 'compensation_failing',
  pay: 'payment_failing',
  decline: 'compensation_failing',
  openPayment: 'payment_failing',
  settle: 'payment_failing',
  extendDeadline: 'payment_failing',
  release: 'compensation_failing',
  refund: 'refund_failing',
};

/** A mark on an order that needs a person's attention. Times are ISO 8601. */
export interface Attention {
  reason: AttentionReason;
  /** The step that keeps failing while it is being retried. */
  step: Step;
  raisedAt: string;
}

export const INTERVENTION_ACTIONS = [
  'retry_now',
  'skip_step',
  'give_up',
  'resolve_payment',
  'extend_deadline',
] as const;
/** What a person may do to an order, or to one of its payments. */
export type InterventionAction = (typeof INTERVENTION_ACTIONS)[number];

/** How far ahead a person may put a deadline off, in milliseconds: what an order holds, nobody else can buy. */
export const LONGEST_EXTENSION_MS = 7 * 24 * 3_600_000;

/** Every intervention is signed. Both fields are kept, and shown to everyone who views the order. */
export interface Intervention {
  /** Who acts: 1 to 200 characters. */
  actor: string;
  /** Why: 1 to 500 characters. */
  reason: string;
}

/** Why an update that a person sent was refused. */
export const BY_HAND_REFUSALS = [
  'malformed',
  'unsigned',
  'nothing_failing',
  'not_skippable',
  'not_open',
  'not_unknown',
  'not_extendable',
] as const;
export type ByHandRefusal = (typeof BY_HAND_REFUSALS)[number];
