/** Why a payment or a refund was refused: as its step answers, and as its caller gets it. */
import type { StepResult } from '../../activities/order.ts';
import type { RefusalReason } from '../../domain/order.ts';
import type { Stage } from '../../domain/stages.ts';

/** A step's answer as a history may hold it. Up to 0.4 it had no `refusal`, and a refused payment or refund named it as its `reason`. */
export type RecordedResult = Omit<StepResult, 'refusal'> & Partial<Pick<StepResult, 'refusal'>>;

/** Why a payment or a refund had no effect; null when it had one. */
export function refusalOf(step: 'pay' | 'refund', { stage, reason, refusal }: RecordedResult): string | null {
  if (refusal !== undefined) return refusal;
  // The reason of a refund that was made is its caller's own words, which may be any.
  return step === 'refund' && stage === 'refunded' ? null : reason;
}

/** The answer to a payment that its step refused. */
export function toPaymentRefusal(refusal: string | null): RefusalReason | null {
  if (refusal === null) return null;
  return refusal === 'insufficient_funds' || refusal === 'order_has_payments' ? refusal : 'order_not_payable';
}

/** The answer to a payment whose order was closed before the payment's turn came. */
export function refusalByStage(stage: Stage): RefusalReason {
  if (stage === 'expired') return 'order_expired';
  return stage === 'cancelled' ? 'order_cancelled' : 'order_not_payable';
}
