/** The sentences that tell an operator, in the Web UI, what a workflow does and what it waits for. */
import { ATTENTION_REASON } from '../../domain/attention.ts';
import { isResting, type Stage } from '../../domain/stages.ts';
import { paymentWorkflowId } from '../../domain/workflow-ids.ts';
import { failureCell, plain, plural, table, utc, whatToDo, who, type Row } from '../details.ts';
import { waitsForRoom, type StepHealth } from './retry-and-attention.ts';
import type { OrderState } from './state.ts';

/** `3 units of 2 SKUs`, for summaries. */
export function describeContents({ input }: OrderState): string {
  const units = input.lines.reduce((sum, line) => sum + line.quantity, 0);
  return `${plural(units, 'unit')} of ${plural(input.lines.length, 'SKU')}`;
}

/**
 * A sentence about what the order waits for and until when, what keeps failing, and a table for who knows nothing of the order yet: who, what,
 * how much, which stage, what went wrong, and what to do next. Markdown.
 */
export function describeOrder(state: OrderState): string {
  const { input, stage, health } = state;
  const sentence = describeRelease(state) ?? SENTENCES[stage](state);
  return [
    withHealth(health, sentence),
    table([
      ['Who', who(input)],
      ['What', describeLines(state)],
      ['How much', describePrice(state)],
      ['Stage', `\`${stage}\``],
      ['Waits for', describeWaiting(state)],
      ...healthRows(health),
    ]),
  ].join('\n\n');
}

const MOST_LINES = 3;

function describeLines({ input: { lines } }: OrderState): string {
  const shown = lines.slice(0, MOST_LINES).map(({ sku, quantity }) => `${quantity} × ${plain(sku)}`);
  const more = lines.length - MOST_LINES;
  return more > 0 ? `${shown.join(', ')} and ${plural(more, 'more SKU')}` : shown.join(', ');
}

function describePrice({ input, total }: OrderState): string | null {
  const known = total ?? input.expectedTotal;
  if (known === undefined) return null;
  const how = input.paymentMode === 'hold' ? 'held in the wallet until it is paid' : 'taken when it is paid';
  return `${known.amount} ${plain(known.currency)} in minor units, ${how}`;
}

function describeWaiting(state: OrderState): string {
  const { stage, phase, health, deadline } = state;
  if (health.failing !== null) return `the step \`${health.failing.step}\` to succeed`;
  if (isResting(stage) && stage !== 'awaiting_payment') return 'nothing';
  if (stage === 'awaiting_payment' && phase === 'open') return `payment, until ${utc(deadline)}`;
  return 'the step under way';
}

/** What went wrong in a workflow, since when, and what to do next. */
export function healthRows({ failing, attention, runbook }: StepHealth): Row[] {
  if (failing === null) return [];
  return [
    ['Went wrong', `the step \`${failing.step}\`, since ${utc(failing.since)}`],
    ['First failure', failing.failure === null ? null : failureCell(failing.failure)],
    ['Newest failure', 'under Pending Activities'],
    [
      'Needs a person',
      attention === null
        ? 'not yet: it may go on by itself'
        : `since ${utc(attention.raisedAt)}, \`${attention.reason}\``,
    ],
    ['What to do', whatToDo(runbook, attention?.reason ?? ATTENTION_REASON[failing.step])],
  ];
}

/** Adds to a sentence what keeps failing, and what a person can do about it. */
export function withHealth(health: StepHealth, sentence: string): string {
  const { failing, attention } = health;
  if (failing === null) return sentence;
  const retried = `The step \`${failing.step}\` failed and is retried; Pending Activities shows why it fails.`;
  if (attention === null) return `${sentence}\n\n${retried}`;
  const since = utc(attention.raisedAt);
  if (waitsForRoom(health))
    return `**Needs attention since ${since}: ${attention.reason}.** ${sentence}\n\n${FULL}`;
  const remedies = 'Once the cause is fixed it goes on by itself, or at once with the update `retryNow`.';
  return `**Needs attention since ${since}: ${attention.reason}.** ${sentence}\n\n${retried} ${remedies}`;
}

const FULL =
  'The money is **not back yet**: the wallet is at its limit. The refund is retried with growing pauses; once the wallet has ' +
  'room it goes on by itself, or at once with the update `retryNow`.';

/** Only while the release goes on: once it is recorded, the stage shows it. */
function describeRelease(state: OrderState): string | null {
  if (state.stage !== 'awaiting_payment' && state.stage !== 'paying') return null;
  if (state.phase === 'open' || state.phase === 'over') return null;
  const end = state.phase === 'cancelling' ? 'cancelled' : 'expired';
  return `Giving back ${describeContents(state)}; the order will be **${end}**.`;
}

const SENTENCES: Record<Stage, (state: OrderState) => string> = {
  reserving: (state) => `Reserving ${describeContents(state)}. The caller waits for the answer.`,
  awaiting_payment: (state) =>
    `**Waits for payment until ${utc(state.deadline)}.**${describeExtension(state)}${refusedSoFar(state)}${describeParts(state)}`,
  paying: (state) =>
    state.payments.length > 0
      ? `Taking payment ${state.payAttempts}, accepted before the deadline (${utc(state.deadline)}).`
      : `Its payments cover it, and their money is being taken. Until that is known, neither a cancel nor the deadline acts.${describeParts(state)}`,
  paid: () => 'Paid: the money is taken and the units are sold. Waits for nothing.',
  refunding: ({ input }) =>
    input.rules === undefined
      ? 'A cancel came while the payment was being taken. Waits for the refund workflow of this order.'
      : 'A cancel came while the payment was being taken. Gives the money back and puts the units back on hand.',
  refunded: () =>
    'Cancelled while the payment was being taken: the money is back in the wallet. Waits for nothing.',
  cancelled: (state) =>
    `Cancelled (${plain(state.reason ?? 'no reason given', 200)}): nothing stays held. Waits for nothing.`,
  expired: (state) => `Not paid by ${utc(state.deadline)}: nothing stays held. Waits for nothing.`,
  rejected: (state) =>
    `Rejected (\`${state.reason ?? 'no reason given'}\`): nothing was held. Waits for nothing.`,
};

const describeExtension = ({ isExtended, windowEnded }: OrderState): string =>
  isExtended && !windowEnded ? ' The deadline was put off once, because a payment is under way.' : '';

/** Each payment of a part, as far as it has said how it stands. Its own workflow says more. */
function describeParts({ partStates }: OrderState): string {
  if (partStates.size === 0) return '';
  const lines = [...partStates].map(([id, reached]) => `- ${reached}: workflow \`${paymentWorkflowId(id)}\``);
  return `\n\nIts payments, as they said last:\n\n${lines.join('\n')}`;
}

function refusedSoFar({ payAttempts }: OrderState): string {
  return payAttempts === 0
    ? ''
    : ` ${plural(payAttempts, 'payment')} refused so far; the buyer may top up and pay again.`;
}
