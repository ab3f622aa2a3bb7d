/** Sends what a person does about an order, one of its refunds or one of its payments to its workflow. */
import { ApplicationFailure, WorkflowUpdateFailedError, type WorkflowHandle } from '@temporalio/client';
import { BY_HAND_REFUSALS, WALLET_FULL, type Intervention } from '../domain/attention.ts';
import type { RefusalReason, Step } from '../domain/order.ts';
import type { PaymentState } from '../domain/payments.ts';
import {
  extendDeadlineUpdate,
  giveUpUpdate,
  resolvePaymentUpdate,
  retryNowUpdate,
  skipStepUpdate,
  type InterventionAnswer,
  type ResolvePayment,
} from '../workflows/messages.ts';
import { hasEnded } from './errors.ts';
import { toUnavailable } from './outcomes.ts';

/** What a person does, signed. */
export type Act = Intervention &
  (
    | { action: 'retry_now' | 'give_up' }
    | { action: 'skip_step'; step: Step }
    /** `until`: the new deadline, ISO 8601. */
    | { action: 'extend_deadline'; until: string }
  );

const ORDER_BUSY = 'order_busy' satisfies RefusalReason;
const REASONS = [...BY_HAND_REFUSALS, ORDER_BUSY, WALLET_FULL] as const;

export interface RefusedAct {
  outcome: 'refused';
  reason: (typeof REASONS)[number];
  detail: string;
}

export type ActOutcome =
  | ({ outcome: 'done' } & InterventionAnswer)
  | RefusedAct
  /** The workflow has ended, or never began. */
  | { outcome: 'ended' };

export type ResolveOutcome = { outcome: 'done'; state: PaymentState } | RefusedAct | { outcome: 'ended' };

/** @param updateId the same at every attempt: then it acts once. */
export function sendAct(workflow: WorkflowHandle, updateId: string, act: Act): Promise<InterventionAnswer> {
  const { actor, reason } = act;
  const by = { actor, reason };
  switch (act.action) {
    case 'retry_now':
      return workflow.executeUpdate(retryNowUpdate, { updateId, args: [by] });
    case 'skip_step':
      return workflow.executeUpdate(skipStepUpdate, { updateId, args: [{ ...by, step: act.step }] });
    case 'give_up':
      return workflow.executeUpdate(giveUpUpdate, { updateId, args: [by] });
    case 'extend_deadline':
      return workflow.executeUpdate(extendDeadlineUpdate, { updateId, args: [{ ...by, until: act.until }] });
  }
}

/** Says how a payment stands, or what becomes of money that is owed of it. */
export const sendResolution = (
  workflow: WorkflowHandle,
  updateId: string,
  resolution: ResolvePayment,
): Promise<{ state: PaymentState }> =>
  workflow.executeUpdate(resolvePaymentUpdate, { updateId, args: [resolution] });

/** The outcome of one that failed. @throws the error itself when it is not an outcome. */
export function actOutcomeOfFailure(error: unknown): RefusedAct | { outcome: 'ended' } {
  if (hasEnded(error)) return { outcome: 'ended' };
  const refusal = error instanceof WorkflowUpdateFailedError ? findRefusal(error.cause) : undefined;
  if (refusal) return refusal;
  throw toUnavailable(error);
}

/** What the workflow refused, or one of its activities did. */
function findRefusal(error: unknown): RefusedAct | undefined {
  if (!(error instanceof Error)) return undefined;
  if (!(error instanceof ApplicationFailure)) return findRefusal(error.cause);
  const reason = REASONS.find((known) => known === error.type);
  return reason && { outcome: 'refused', reason, detail: error.message };
}
