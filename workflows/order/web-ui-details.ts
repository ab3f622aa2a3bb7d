/** The sentences that tell an operator, in the Web UI, what a workflow does and what it waits for. */
import { MAIN_SHOP } from '../../domain/shops.ts';
import type { Stage } from '../../domain/stages.ts';
import { paymentWorkflowId } from '../../domain/workflow-ids.ts';
import { waitsForRoom, type StepHealth } from './retry-and-attention.ts';
import type { OrderState } from './state.ts';

/** `3 units of 2 SKUs`, for summaries. */
export function describeContents({ input }: OrderState): string {
  const units = input.lines.reduce((sum, line) => sum + line.quantity, 0);
  return `${plural(units, 'unit')} of ${plural(input.lines.length, 'SKU')}`;
}

/** A few sentences: what the order waits for, until when, and what keeps failing; and whose it is, if not the main shop's. Markdown. */
export function describeOrder(state: OrderState): string {
  const { shopId = MAIN_SHOP } = state.input;
  const details = withHealth(state.health, describeRelease(state) ?? SENTENCES[state.stage](state));
  return shopId === MAIN_SHOP ? details : `${details}\n\nOf shop \`${shopId}\`.`;
}

/** Adds to a sentence what keeps failing, and what a person can do about it. */
export function withHealth(health: StepHealth, sentence: string): string {
  const { failing, attention } = health;
  if (failing === null) return sentence;
  const retried = `The step \`${failing.step}\` failed and is retried; Pending Activities shows why it fails.`;
  if (attention === null) return `${sentence}\n\n${retried}`;
  const since = utc(new Date(attention.raisedAt).getTime());
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
    `Cancelled (${state.reason ?? 'no reason given'}): nothing stays held. Waits for nothing.`,
  expired: (state) => `Not paid by ${utc(state.deadline)}: nothing stays held. Waits for nothing.`,
  rejected: (state) =>
    `Rejected (${state.reason ?? 'no reason given'}): nothing was held. Waits for nothing.`,
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

function utc(instant: number): string {
  return new Date(instant)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, ' UTC');
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
