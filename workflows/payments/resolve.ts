/** What a person may do about a payment: try again at once, or say how it stands at its provider. Both are signed and recorded. */
import { currentUpdateInfo, proxyActivities, setHandler, workflowInfo } from '@temporalio/workflow';
import type { RecordActivities } from '../../activities/order.ts';
import type { ResolvingActivities } from '../../activities/payments/resolve.ts';
import type { Intervention, InterventionAction } from '../../domain/attention.ts';
import { OWED_OUTCOMES, PAYMENT_OUTCOMES, mayPaymentMove } from '../../domain/payments.ts';
import { TEXT, trimText } from '../../domain/text.ts';
import {
  resolvePaymentUpdate,
  retryNowUpdate,
  type InterventionAnswer,
  type ResolveAnswer,
  type ResolvePayment,
} from '../messages.ts';
import { refuse, refuseUnsigned } from '../order/handlers.ts';
import { UNTIL_IT_SUCCEEDS } from '../order/retry-and-attention.ts';
import { now } from '../time.ts';
import { alone, type PaymentProgress } from './progress.ts';

const { recordIntervention, resolvePayment, resolveOwed } = proxyActivities<
  Pick<RecordActivities, 'recordIntervention'> & ResolvingActivities
>(UNTIL_IT_SUCCEEDS);

const OUTCOMES = [...PAYMENT_OUTCOMES, ...OWED_OUTCOMES].map((outcome) => `"${outcome}"`).join(' | ');
// What the Web UI shows with each update.
const SIGNED = 'Data: {"actor": "who you are", "reason": "why"';
const RETRY_NOW = `Asks again at once. ${SIGNED}}`;
const RESOLVE = `Says how a payment stands that stays unknown, as its provider shows it, or decides on money that its provider does not give back. ${SIGNED}, "outcome": ${OUTCOMES}}`;

/** Sets the handlers. Call it before anything is awaited. */
export function answerPeople(progress: PaymentProgress): void {
  setHandler(
    retryNowUpdate,
    async (by: Intervention): Promise<InterventionAnswer> => {
      await record(progress, 'retry_now', by);
      progress.hasNews = true;
      return { stage: 'paying', step: progress.trouble?.step ?? null };
    },
    {
      description: RETRY_NOW,
      validator: (by: Intervention) => {
        refuseUnsigned(by);
        if (progress.trouble === null) refuse('nothing_failing', 'Nothing is being tried again.');
      },
    },
  );
  setHandler(
    resolvePaymentUpdate,
    async (by: ResolvePayment): Promise<ResolveAnswer> => {
      const { paymentId } = progress.input;
      const reason = trimText(by.reason, TEXT.reason);
      const outcome = PAYMENT_OUTCOMES.find((known) => known === by.outcome);
      if (outcome === undefined) return alone(progress, () => decideOnOwed(progress, by));
      await record(progress, 'resolve_payment', by);
      const { state } = await resolvePayment.executeWithOptions(
        { summary: 'Record how it stands, as a person says' },
        [{ paymentId, outcome, reason, at: now() }],
      );
      // Somebody else who is about to decide finds it decided.
      progress.state = state;
      progress.unknownSince = null;
      progress.hasNews = true;
      return { state };
    },
    {
      description: RESOLVE,
      validator: (by: ResolvePayment) => {
        refuseUnsigned(by);
        if (isAboutOwed(by)) requireOwed(progress);
        else refuseUnlessUnknown(progress, by);
      },
    },
  );
}

const isAboutOwed = ({ outcome }: ResolvePayment): boolean =>
  OWED_OUTCOMES.some((known) => known === outcome);

/** What the provider does not give back. It may have done so since the person saw it. */
function requireOwed({ trouble, state }: PaymentProgress): string {
  const owes = trouble?.owes ?? null;
  return owes ?? refuse('not_unknown', `Nothing waits to be given back of this payment: it is ${state}.`);
}

async function decideOnOwed(progress: PaymentProgress, by: ResolvePayment): Promise<ResolveAnswer> {
  const commandId = requireOwed(progress);
  const outcome = OWED_OUTCOMES.find((known) => known === by.outcome) ?? refuse('malformed', OUTCOMES);
  await record(progress, 'resolve_payment', by);
  const { paymentId } = progress.input;
  const reason = trimText(by.reason, TEXT.reason);
  const { state } = await resolveOwed.executeWithOptions({ summary: 'Record what became of what is owed' }, [
    { paymentId, commandId, outcome, reason, at: now() },
  ]);
  progress.hasNews = true;
  return { state };
}

function refuseUnlessUnknown({ state, unknownSince }: PaymentProgress, by: ResolvePayment): void {
  const outcome = PAYMENT_OUTCOMES.find((known) => known === by.outcome);
  if (outcome === undefined) refuse('malformed', `Say how it stands, as \`outcome\`: ${OUTCOMES}.`);
  if (unknownSince === null) refuse('not_unknown', `It is known how this payment stands: it is ${state}.`);
  if (!mayPaymentMove(state, outcome))
    refuse('not_unknown', `A payment that is ${state} does not become ${outcome}.`);
}

async function record(
  progress: PaymentProgress,
  action: InterventionAction,
  by: Intervention,
): Promise<void> {
  const { workflowId } = workflowInfo();
  await recordIntervention.executeWithOptions({ summary: `Record what a person did: ${action}` }, [
    {
      workflowId,
      updateId: currentUpdateInfo()?.id ?? action,
      orderId: progress.input.orderId,
      action,
      actor: trimText(by.actor, TEXT.actor),
      reason: trimText(by.reason, TEXT.reason),
      step: progress.trouble?.step ?? null,
      at: now(),
    },
  ]);
}
