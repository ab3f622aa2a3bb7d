/** The sentences that tell an operator, in the Web UI, where the money of a payment is and what is done about it. Markdown. */
import { PAYMENT_UNKNOWN } from '../../domain/attention.ts';
import type { PaymentState } from '../../domain/payments.ts';
import { orderWorkflowId } from '../../domain/workflow-ids.ts';
import { plain, table, utc, whatToDo, type Row } from '../details.ts';
import { lastLookAt, type PaymentProgress } from './progress.ts';

export function describePayment(progress: PaymentProgress): string {
  const { input, last } = progress;
  if (last === null) return `A payment of order \`${input.orderId}\`. Reads what there is to do.`;
  const { method, amount, currency, state } = last;
  const from = method === 'wallet' ? "the order's wallet" : 'the payment provider';
  const sentence = `${amount} ${currency} (in minor units) from ${from}, for order \`${input.orderId}\`: **${state}**. ${SENTENCES[state](last.done)}${lastLook(progress)}`;
  return [
    withTrouble(progress, sentence),
    table([
      ['Order', `\`${input.orderId}\`: workflow \`${orderWorkflowId(input.orderId)}\``],
      ['How much', `${amount} ${currency} in minor units, from ${from}`],
      ['State', `\`${state}\``],
      ...troubleRows(progress),
    ]),
  ].join('\n\n');
}

function troubleRows({ input, trouble, unknownSince, attention }: PaymentProgress): Row[] {
  if (trouble === null) return [];
  return [
    [
      'Went wrong',
      `${plain(trouble.says, 200)}${unknownSince === null ? '' : ` Since ${utc(unknownSince)}.`}`,
    ],
    [
      'Needs a person',
      attention === null
        ? 'not yet: it may go on by itself'
        : `since ${utc(attention.raisedAt)}, \`${attention.reason}\``,
    ],
    ['What to do', whatToDo(input.runbook, trouble.reason)],
  ];
}

/** Adds to a sentence what keeps the payment from going on, and what a person can do about it. */
function withTrouble({ trouble, attention, unknownSince }: PaymentProgress, sentence: string): string {
  if (trouble === null) return sentence;
  const since = unknownSince === null ? '' : ` since ${utc(unknownSince)}`;
  const why = `Not done${since}: ${trouble.says} It is tried again with growing pauses, or at once with the update \`retryNow\`.`;
  if (attention === null) return `${sentence}\n\n${why}`;
  const remedy = attention.reason === PAYMENT_UNKNOWN ? ` ${RESOLVE}` : '';
  return `**Needs attention since ${utc(attention.raisedAt)}: ${attention.reason}.** ${sentence}\n\n${why}${remedy}`;
}

/** What the next attempt is for, in one line. */
export function describeLook({ last, trouble, unknownSince }: PaymentProgress): string {
  if (last === null) return 'See what there is to do';
  if (unknownSince !== null || trouble !== null) return 'Ask again';
  return `Do what is next for a payment that is ${last.state}`;
}

function lastLook(progress: PaymentProgress): string {
  const at = lastLookAt(progress);
  return at === null
    ? ''
    : ` Its provider is asked once more at ${utc(at)}, in case it takes some all the same.`;
}

const RESOLVE =
  'Find out at the provider how the payment stands, and say so with the update `resolvePayment`: it is recorded with your name.';

const SENTENCES: Record<PaymentState, (isDone: boolean) => string> = {
  pending: () => 'Asks whether the money is there.',
  authorised: (isDone) =>
    isDone ? '' : 'The money is set aside. Waits until its order takes it, or lets it go.',
  capturing: () => 'Takes the money. Its order waits for it.',
  captured: (isDone) =>
    isDone ? 'The money is taken. Waits for nothing.' : 'Gives back what is owed of it.',
  declined: () => 'No money was taken.',
  voided: () => 'No money was taken.',
  returned: () =>
    'The money was taken, the order could not use it, and it was given back. Waits for nothing.',
};
