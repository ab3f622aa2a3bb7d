/** Checks answers about orders: whether each is one that the documentation names, is true of its own command, and stays true. */
import {
  countSent,
  hasSent,
  isAboutPayment,
  type BuyerHistory,
  type Heard,
  type OrderOperation,
} from './history.ts';
import { isExpectedOfPayment } from './payment-checker.ts';
import type { Recorded, RecordedCommand, RecordedOrder } from './recorded.ts';
import type { Finding } from './refund-checker.ts';

const KEPT = 'every answer about an order stays true';
const TRUTH = 'every caller knows the outcome of its own command';
const KNOWN_ANSWERS = 'callers get only answers that the documentation names';

export function checkAnswers(buyer: BuyerHistory, order: RecordedOrder, { commands }: Recorded): Finding[] {
  return buyer.heard.flatMap((heard) => {
    const found: Finding[] = [];
    const answered = `${heard.operation} was answered ${describeAnswer(heard)}`;
    if (!isExpected(heard, buyer))
      found.push([KNOWN_ANSWERS, `${answered}, and the order is ${order.stage}`]);
    const contradiction = findContradiction(heard, order);
    if (contradiction !== undefined) found.push([KEPT, `${answered}, but ${contradiction}`]);
    const lie = findLie(heard, commands.get(heard.key));
    if (lie !== undefined) found.push([TRUTH, `${answered}, but ${lie}`]);
    return found;
  });
}

export const describeAnswer = ({ status, body }: Heard): string =>
  [status, body.code ?? body.stage ?? ''].join(' ');

/** With or without faults, a buyer of this workload may get no other answers. */
function isExpected({ operation, status, body: { code = '' } }: Heard, buyer: BuyerHistory): boolean {
  if (status === 200 || status === 201) return true;
  const cancelled = hasSent(buyer, 'cancel') ? ['order_cancelled'] : [];
  if (isAboutPayment(operation)) return isExpectedOfPayment(operation, code) || cancelled.includes(code);
  const refusals: Record<OrderOperation, readonly string[]> = {
    create: ['out_of_stock', 'insufficient_funds'],
    'create and pay': ['out_of_stock', 'insufficient_funds', 'order_expired'],
    pay: ['order_expired', 'insufficient_funds', ...cancelled],
    cancel: ['order_expired', ...(hasSent(buyer, 'refund') ? ['order_not_cancellable'] : [])],
    // It is sent only after the payment was answered, and refused only for another one.
    refund:
      countSent(buyer, 'refund') > 1
        ? ['refund_exceeds_payment', 'refund_exceeds_units', 'order_not_refundable']
        : [],
  };
  return refusals[operation].includes(code);
}

const STAGES_AFTER: Readonly<Record<OrderOperation, readonly string[]>> = {
  create: ['paid', 'refunded', 'cancelled', 'expired'],
  'create and pay': ['paid', 'refunded'],
  pay: ['paid', 'refunded'],
  cancel: ['cancelled', 'refunded'],
  // A part leaves the order paid.
  refund: ['paid', 'refunded'],
};

/**
 * Says what is untrue of an answer about its own command, not about the order, which another command may have moved. A
 * success says that this command had its effect; a refusal, that it had none and never will.
 */
function findLie(
  { operation, status, body }: Heard,
  command: RecordedCommand | undefined,
): string | undefined {
  if (operation === 'create') return undefined;
  if (!command) return 'the key is not recorded';
  const { effect, kept } = command;
  if (kept !== null && kept !== status) return `the answer that is kept is ${kept}`;
  if (status >= 300) return effect === null ? undefined : `this very command made the order ${effect}`;
  // How the payment ended is another question.
  if (isAboutPayment(operation)) return undefined;
  if (effect === null) return 'this command moved no order';
  if (!STAGES_AFTER[operation].includes(effect)) return `this command made the order ${effect}`;
  if (body.stage === undefined || !STAGES_AFTER[operation].includes(body.stage)) return 'that is no success';
  return undefined;
}

const STAGES_AFTER_REFUSAL: Readonly<Record<string, readonly string[]>> = {
  out_of_stock: ['rejected'],
  order_expired: ['expired'],
  order_cancelled: ['cancelled', 'refunded'],
  order_not_payable: ['paid', 'refunded'],
};

function findContradiction({ operation, status, body }: Heard, { stage }: RecordedOrder): string | undefined {
  const possible =
    status < 300
      ? isAboutPayment(operation)
        ? undefined
        : STAGES_AFTER[operation]
      : operation === 'create'
        ? ['rejected']
        : STAGES_AFTER_REFUSAL[body.code ?? ''];
  return possible === undefined || possible.includes(stage) ? undefined : `the order is ${stage}`;
}
