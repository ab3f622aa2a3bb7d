/**
 * What a person may do to an order or a refund in which something keeps failing: updates, sent from the Web UI or with the
 * `temporal` command, each signed with who and why. What would break a rule is refused, and then nothing is written.
 */
import { currentUpdateInfo, setHandler } from '@temporalio/workflow';
import type { Intervention, InterventionAction } from '../../domain/attention.ts';
import type { Step } from '../../domain/order.ts';
import { TEXT, trimText } from '../../domain/text.ts';
import {
  giveUpUpdate,
  retryNowUpdate,
  skipStepUpdate,
  type InterventionAnswer,
  type SkipStep,
} from '../messages.ts';
import { currentOrigin } from '../origin.ts';
import { requestCancel } from './commands.ts';
import { isDecided } from './decided.ts';
import { refuse, refuseUnsigned, untilTrue } from './handlers.ts';
import { noteIntervention, type StepHealth } from './retry-and-attention.ts';
import { isOpen, type OrderState } from './state.ts';

/** Why a step cannot be skipped; null where its key can be taken instead and every rule still holds. */
const MUST_BE_DONE: Readonly<Record<Step, string | null>> = {
  reserve: 'Without its reservation an order has nothing that could be paid: give it up instead.',
  abandon: 'A reservation that arrives later would stay held forever, for an order that is over.',
  pay: null,
  decline: 'Until its key is taken a late payment could still be made, for an order that is over.',
  openPayment:
    'Whether it was opened is not known, and its money would be set aside for nothing: give the order up instead.',
  settle: 'The money was taken for this order.',
  extendDeadline: 'The order would expire too early: give it up instead.',
  release: 'The units, and in hold mode the money, would stay held for an order that is over.',
  refund: 'The buyer was promised the money: it would stay taken for an order that is given up.',
};

/** What it does not take to end an order: whatever of it happened, or happens late, the release finds, or keeps from happening. */
const LEFT_WHEN_GIVEN_UP: ReadonlySet<Step> = new Set(['pay', 'openPayment', 'settle', 'extendDeadline']);

// What the Web UI shows with each update.
const SIGNED = 'Data: {"actor": "who you are", "reason": "why"';
const RETRY_NOW = `Tries the failing step again at once. ${SIGNED}}`;
const SKIP = `Skips a payment that keeps failing; the buyer may pay again. ${SIGNED}, "step": "pay"}`;
const GIVE_UP = `Ends the order: gives back what it holds, refunds what was paid. ${SIGNED}}`;

/** Sets the handlers of an order. Call it before anything is awaited. */
export function answerInterventions(state: OrderState): void {
  const { health } = state;
  const answer = (step: Step | null): InterventionAnswer => ({ stage: state.stage, step });
  answerRetryNow(health, answer);

  setHandler(
    skipStepUpdate,
    async (by: SkipStep) => {
      const [payment] = state.payments;
      const step = recordAct(health, 'skip_step', by);
      health.failing?.end('leave');
      await untilTrue(() => payment === undefined || !state.payments.includes(payment));
      return answer(step);
    },
    { description: SKIP, validator: (by: SkipStep) => refuseUnlessSkippable(health, by) },
  );

  setHandler(
    giveUpUpdate,
    async (by: Intervention) => {
      const step = recordAct(health, 'give_up', by);
      const reason = trimText(by.reason, TEXT.reason);
      requestCancel(state, { by: 'operator', commandId: null, reason, origin: currentOrigin() });
      if (step !== null && LEFT_WHEN_GIVEN_UP.has(step)) health.failing?.end('leave');
      await untilTrue(() => isDecided(state));
      return answer(step);
    },
    {
      description: GIVE_UP,
      validator: (by: Intervention) => {
        refuseUnsigned(by);
        if (!isOpen(state)) refuse('not_open', `This order is already ${describeEnd(state)}.`);
      },
    },
  );
}

/** Sets the handlers of a refund, which can be neither skipped nor given up. */
export function answerRefundInterventions(health: StepHealth): void {
  const answer = (step: Step | null): InterventionAnswer => ({ stage: 'refunding', step });
  answerRetryNow(health, answer);
  setHandler(skipStepUpdate, () => answer(null), {
    description: 'A refund has no step that can be skipped.',
    validator: (by: SkipStep) => refuseUnlessSkippable(health, by),
  });
  setHandler(giveUpUpdate, () => answer(null), {
    description: 'A refund is not given up.',
    validator: (by: Intervention) => {
      refuseUnsigned(by);
      refuse('not_open', 'This order is already being refunded, which is what giving it up would do.');
    },
  });
}

function answerRetryNow(health: StepHealth, answer: (step: Step | null) => InterventionAnswer): void {
  setHandler(
    retryNowUpdate,
    (by: Intervention) => {
      const step = recordAct(health, 'retry_now', by);
      health.failing?.end('retry');
      return answer(step);
    },
    {
      description: RETRY_NOW,
      validator: (by: Intervention) => {
        refuseUnsigned(by);
        refuseUnlessFailing(health);
      },
    },
  );
}

/** Records what was done, and returns the step it was done to. */
function recordAct(health: StepHealth, action: InterventionAction, by: Intervention): Step | null {
  const step = health.failing?.step ?? null;
  const signed = { actor: trimText(by.actor, TEXT.actor), reason: trimText(by.reason, TEXT.reason) };
  noteIntervention(health, currentUpdateInfo()?.id ?? action, action, signed, step);
  return step;
}

function refuseUnlessSkippable(health: StepHealth, by: SkipStep): void {
  refuseUnsigned(by);
  const step = refuseUnlessFailing(health);
  if (by.step !== step)
    refuse('not_skippable', `The step that is being retried is ${step}: name it as \`step\`.`);
  const why = MUST_BE_DONE[step];
  if (why !== null) refuse('not_skippable', `The step ${step} cannot be skipped. ${why}`);
}

function refuseUnlessFailing({ failing }: StepHealth): Step {
  return (
    failing?.step ?? refuse('nothing_failing', 'No step is being retried, so there is nothing to act on.')
  );
}

function describeEnd({ phase, stage }: OrderState): string {
  if (phase === 'cancelling') return 'being cancelled';
  return phase === 'expiring' ? 'expiring' : stage;
}
