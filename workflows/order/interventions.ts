/**
 * What a person may do to an order or a refund in which something keeps failing: updates, sent from the Web UI or with the
 * `temporal` command, each signed with who and why. What would break a rule is refused, and then nothing is written.
 */
import { currentUpdateInfo, setHandler } from '@temporalio/workflow';
import { isDecided, isOpen, refuse, requestCancel, untilTrue } from './commands.ts';
import type { Intervention, InterventionAction } from '../../domain/attention.ts';
import type { Step } from '../../domain/order.ts';
import {
  giveUpUpdate,
  retryNowUpdate,
  skipStepUpdate,
  type InterventionAnswer,
  type SkipStep,
} from '../messages.ts';
import type { OrderState } from './state.ts';
import { TEXT, isText, trimText } from '../../domain/text.ts';
import { noteIntervention, type Trouble } from './retry-and-attention.ts';

/** Why a step has to be carried out; null where its key can be taken instead and every rule still holds. */
const MUST_BE_DONE: Readonly<Record<Step, string | null>> = {
  reserve: 'Without its reservation an order has nothing that could be paid: give it up instead.',
  abandon: 'A reservation that lands later would stay held for ever, for an order that is over.',
  pay: null,
  decline: 'Until its key is taken a late payment could still be made, for an order that is over.',
  release: 'The units, and in hold mode the money, would stay held for an order that is over.',
  refund: 'The buyer was promised the money: it would stay taken for an order that is given up.',
};

// What the Web UI shows beside each update.
const SIGNED = 'Data: {"actor": "who you are", "reason": "why"';
const RETRY_NOW = `Tries the failing step again at once. ${SIGNED}}`;
const SKIP = `Skips a payment that keeps failing; the buyer may pay again. ${SIGNED}, "step": "pay"}`;
const GIVE_UP = `Ends the order: gives back what it holds, refunds what was paid. ${SIGNED}}`;

/** Sets the handlers of an order. To be called before anything is awaited. */
export function answerInterventions(state: OrderState): void {
  const { trouble } = state;
  const answer = (step: Step | null): InterventionAnswer => ({ stage: state.stage, step });
  answerRetryNow(trouble, answer);

  setHandler(
    skipStepUpdate,
    async (by: SkipStep) => {
      const [payment] = state.payments;
      const step = act(trouble, 'skip_step', by);
      trouble.failing?.end('leave');
      await untilTrue(() => payment === undefined || !state.payments.includes(payment));
      return answer(step);
    },
    { description: SKIP, validator: (by: SkipStep) => refuseUnlessSkippable(trouble, by) },
  );

  setHandler(
    giveUpUpdate,
    async (by: Intervention) => {
      const step = act(trouble, 'give_up', by);
      const reason = trimText(by.reason, TEXT.reason);
      requestCancel(state, { by: 'operator', commandId: null, reason });
      if (step === 'pay') trouble.failing?.end('leave');
      await untilTrue(() => isDecided(state));
      return answer(step);
    },
    {
      description: GIVE_UP,
      validator: (by: Intervention) => {
        refuseUnsigned(by);
        refuseUnlessOpen(state);
      },
    },
  );
}

/** Sets the handlers of a refund, which can be neither skipped nor given up. */
export function answerRefundInterventions(trouble: Trouble): void {
  const answer = (step: Step | null): InterventionAnswer => ({ stage: 'refunding', step });
  answerRetryNow(trouble, answer);
  setHandler(skipStepUpdate, () => answer(null), {
    description: 'A refund has no step that can be skipped.',
    validator: (by: SkipStep) => refuseUnlessSkippable(trouble, by),
  });
  setHandler(giveUpUpdate, () => answer(null), {
    description: 'A refund is not given up.',
    validator: (by: Intervention) => {
      refuseUnsigned(by);
      refuse('not_open', 'This order is being refunded already: that is what giving it up would do.');
    },
  });
}

function answerRetryNow(trouble: Trouble, answer: (step: Step | null) => InterventionAnswer): void {
  setHandler(
    retryNowUpdate,
    (by: Intervention) => {
      const step = act(trouble, 'retry_now', by);
      trouble.failing?.end('retry');
      return answer(step);
    },
    {
      description: RETRY_NOW,
      validator: (by: Intervention) => {
        refuseUnsigned(by);
        refuseUnlessFailing(trouble);
      },
    },
  );
}

/** Keeps what was done, and names the step that it was done to. */
function act(trouble: Trouble, action: InterventionAction, by: Intervention): Step | null {
  const step = trouble.failing?.step ?? null;
  const signed = { actor: trimText(by.actor, TEXT.actor), reason: trimText(by.reason, TEXT.reason) };
  noteIntervention(trouble, currentUpdateInfo()?.id ?? action, action, signed, step);
  return step;
}

function refuseUnlessSkippable(trouble: Trouble, by: SkipStep): void {
  refuseUnsigned(by);
  const step = refuseUnlessFailing(trouble);
  if (by.step !== step)
    refuse('not_skippable', `The step that is being tried again is ${step}: name it as \`step\`.`);
  const why = MUST_BE_DONE[step];
  if (why !== null) refuse('not_skippable', `The step ${step} cannot be skipped. ${why}`);
}

function refuseUnlessFailing({ failing }: Trouble): Step {
  return (
    failing?.step ?? refuse('nothing_failing', 'No step is being tried again, so there is nothing to act on.')
  );
}

function refuseUnlessOpen(state: OrderState): void {
  const { stage, closing, over } = state;
  if (over || closing !== null || !isOpen(state))
    refuse('not_open', `This order is ${closing === null ? stage : `being ${closing}`} already.`);
}

/** The arguments come from a form or a command line: nothing has checked them. */
function refuseUnsigned(by: Partial<Record<keyof Intervention, unknown>> | null | undefined): void {
  if (!isText(by?.actor, TEXT.actor))
    refuse('unsigned', `Say who you are, as \`actor\`: 1 to ${TEXT.actor.max} characters.`);
  if (!isText(by?.reason, TEXT.reason))
    refuse('unsigned', `Say why, as \`reason\`: 1 to ${TEXT.reason.max} characters.`);
}
