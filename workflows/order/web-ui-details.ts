/** The sentences in which a workflow tells an operator, in the Web UI, what it does and what it waits for. */
import type { Stage } from '../../domain/stages.ts';
import type { OrderState } from './state.ts';
import { waitsForRoom, type Trouble } from './retry-and-attention.ts';

/** `3 units of 2 SKUs`, for summaries. */
export function wanted({ input }: OrderState): string {
  const units = input.lines.reduce((sum, line) => sum + line.quantity, 0);
  return `${plural(units, 'unit')} of ${plural(input.lines.length, 'SKU')}`;
}

/** A few sentences: what the order waits for, until when, and what keeps failing. Markdown. */
export function details(state: OrderState): string {
  if (state.closing && state.stage !== state.closing) {
    return withTrouble(
      state.trouble,
      `Giving back ${wanted(state)}; the order will be **${state.closing}**.`,
    );
  }
  const describe = SENTENCES[state.stage];
  return withTrouble(state.trouble, describe(state));
}

/** Adds to a sentence what keeps failing, and what a person can do about it. */
export function withTrouble(trouble: Trouble, sentence: string): string {
  const { failing, attention } = trouble;
  if (failing === null) return sentence;
  const retried = `The step \`${failing.step}\` failed and is tried again; Pending Activities shows why it fails.`;
  if (attention === null) return `${sentence}\n\n${retried}`;
  const since = utc(new Date(attention.raisedAt).getTime());
  if (waitsForRoom(trouble))
    return `**Needs attention since ${since}: ${attention.reason}.** ${sentence}\n\n${FULL}`;
  const remedies = 'Once the cause is mended it goes on by itself, or at once with the update `retryNow`.';
  return `**Needs attention since ${since}: ${attention.reason}.** ${sentence}\n\n${retried} ${remedies}`;
}

const FULL =
  'The money is **not back yet**: the wallet is at its limit. The refund is tried again with growing pauses; once the wallet has ' +
  'room it goes on by itself, or at once with the update `retryNow`.';

const SENTENCES: Record<Stage, (state: OrderState) => string> = {
  reserving: (state) => `Reserving ${wanted(state)}. The caller waits for the answer.`,
  awaiting_payment: (state) => `**Waits for payment until ${utc(state.deadline)}.**${refusedSoFar(state)}`,
  paying: (state) =>
    `Taking payment ${state.payAttempts}, accepted before the deadline (${utc(state.deadline)}).`,
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
