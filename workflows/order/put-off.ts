/** Puts an order's deadline off because a person says so, as often as they do. */
import { currentUpdateInfo, setHandler } from '@temporalio/workflow';
import { LONGEST_EXTENSION_MS } from '../../domain/attention.ts';
import { TEXT, trimText } from '../../domain/text.ts';
import { extendDeadlineUpdate, type ExtendDeadline, type InterventionAnswer } from '../messages.ts';
import { currentOrigin, onBehalfOf } from '../origin.ts';
import { now } from '../time.ts';
import { refuse, refuseUnsigned } from './handlers.ts';
import { StepLeft, noteIntervention } from './retry-and-attention.ts';
import { follow, isOpen, type OrderState, type PendingExtension } from './state.ts';
import { step } from './steps.ts';

// What the Web UI shows with the update.
const EXTEND =
  'Puts the deadline of an unpaid order off. Data: {"actor": "who you are", "reason": "why", "until": "2026-05-04T09:15:00Z"}';

/** Sets the handler. Call it before anything is awaited. */
export function answerExtensions(state: OrderState): void {
  setHandler(
    extendDeadlineUpdate,
    async (by: ExtendDeadline): Promise<InterventionAnswer> => {
      const origin = currentOrigin();
      const updateId = currentUpdateInfo()?.id ?? by.until;
      const signed = { actor: trimText(by.actor, TEXT.actor), reason: trimText(by.reason, TEXT.reason) };
      noteIntervention(state.health, updateId, 'extend_deadline', signed, null);
      const until = new Date(by.until).toISOString();
      const isRecorded = await new Promise<boolean>((answer) => {
        state.extensions.push({ updateId, until, reason: signed.reason, origin, answer });
      });
      if (!isRecorded) refuse('not_open', `This order is ${state.stage}.`);
      // Who asks for it sees at once that they did.
      await state.health.noted;
      return { stage: state.stage, step: null, deadline: new Date(state.deadline).toISOString() };
    },
    { description: EXTEND, validator: (by: ExtendDeadline) => refuseUnlessExtendable(state, by) },
  );
}

/** Records the later deadline that was asked for. Returns whether the order has another one now. */
export async function putOff(state: OrderState): Promise<boolean> {
  const [asked] = state.extensions;
  if (!asked) return false;
  const before = state.deadline;
  const isRecorded = await onBehalfOf(asked.origin, () => record(state, asked));
  state.extensions.shift();
  asked.answer(isRecorded);
  return state.deadline !== before;
}

/** Answers the one that the order did not live to record. */
export function refuseExtensions(state: OrderState): void {
  while (state.extensions.length > 0) state.extensions.shift()?.answer(false);
}

async function record(state: OrderState, { updateId, until, reason }: PendingExtension): Promise<boolean> {
  const { orderId } = state.input;
  const request = { orderId, updateId, paymentDeadline: until, reason, at: now() };
  try {
    const result = await step.extendDeadline(state.health, request, `Put the deadline off to ${until}`);
    // Only a workflow that was reset finds the order elsewhere.
    if (result.stage !== state.stage) follow(state, result);
    if (result.stage !== 'awaiting_payment') return false;
    moveDeadline(state, Date.parse(result.paymentDeadline ?? until));
    return true;
  } catch (error) {
    if (!(error instanceof StepLeft)) throw error;
    // The order is given up. An attempt that comes late finds it so.
    return false;
  }
}

/** Takes the recorded deadline over. The window that ended, or is under way, is not its window. */
export function moveDeadline(state: OrderState, deadline: number): void {
  if (deadline === state.deadline) return;
  state.deadline = deadline;
  state.windowEnded = false;
  state.show();
}

/** A time without its zone would be another one on another machine. */
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)$/;

function refuseUnlessExtendable(state: OrderState, by: ExtendDeadline): void {
  refuseUnsigned(by);
  const until = typeof by.until === 'string' && INSTANT.test(by.until) ? Date.parse(by.until) : Number.NaN;
  if (Number.isNaN(until))
    refuse('malformed', 'Say until when, as `until`: a time with its zone, such as 2026-05-04T09:15:00Z.');
  const { stage, cancel, deadline, extensions } = state;
  const present = new Date(deadline).toISOString();
  if (cancel !== null) refuse('not_open', 'This order is already being cancelled.');
  if (!isOpen(state)) refuse('not_open', `This order is already ${stage}.`);
  if (stage !== 'awaiting_payment')
    refuse('not_extendable', `This order is ${stage}. Its deadline is put off while it awaits payment.`);
  if (Date.now() >= deadline) refuse('not_open', `This order was to be paid by ${present}, and expires.`);
  if (until <= deadline) refuse('not_extendable', `This order may be paid until ${present} already.`);
  if (until > Date.now() + LONGEST_EXTENSION_MS)
    refuse(
      'not_extendable',
      `A deadline is put off to at most ${LONGEST_EXTENSION_MS / 86_400_000} days ahead.`,
    );
  if (extensions.length > 0) refuse('order_busy', 'The deadline of this order is being put off already.');
}
