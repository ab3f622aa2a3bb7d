/** Checks the history of a run: whether every answer that a caller got is true of the database. */
import type { Violation } from './figures.ts';
import {
  isAboutPayment,
  type BuyerHistory,
  type Deposit,
  type Heard,
  type History,
  type Operation,
  type OrderOperation,
} from './history.ts';
import { checkPayments, isExpectedOfPayment } from './payment-checker.ts';
import type { Recorded, RecordedCommand, RecordedOrder } from './recorded.ts';
import { checkRefunds, type Finding } from './refund-checker.ts';

const ACKNOWLEDGED = 'every acknowledged order is in the database';
const ONE_ORDER = 'every key has one order';
const SAME_ANSWER = 'every answer to one key is the same';
const KEPT = 'every answer about an order stays true';
const TRUTH = 'every caller knows the outcome of its own command';
const KNOWN_ANSWERS = 'callers get only answers that the documentation names';
const ONE_PAYMENT = 'every paid order is paid once, and no other';
const EXPIRES = 'every unpaid order expires at its deadline, and not before';
const ONE_DEPOSIT = 'every deposit is made once';

export function checkHistory({ buyers, deposits }: History, recorded: Recorded): Violation[] {
  return [
    ...buyers.flatMap((buyer) => checkBuyer(buyer, recorded)),
    ...checkStrays(buyers, recorded),
    ...checkDeposits(deposits, recorded),
    ...[...recorded.orders.values()].flatMap(checkTimes),
  ];
}

function checkBuyer(buyer: BuyerHistory, recorded: Recorded): Violation[] {
  const { key, behaviour, heard, orderIds } = buyer;
  const order = recorded.orders.get(recorded.idOfKey.get(key) ?? '');
  const findings = [
    ...checkIds(key, [...orderIds], recorded),
    ...findDifferingAnswers(heard).map((finding) => [SAME_ANSWER, finding] as const),
    ...(order ? checkAnswers(buyer, order, recorded) : checkLoss(heard)),
    ...(order ? checkEnd(buyer, order) : []),
    ...(order ? checkRefunds(buyer, order, recorded.refunds.get(order.id) ?? []) : []),
    ...(order ? checkPayments(buyer, order, recorded.payments.get(order.id) ?? []) : []),
  ];
  const subject = `buyer ${key}, who ${behaviour}`;
  return findings.map(([rule, finding]) => ({ rule, subject, finding }));
}

function checkIds(key: string, ids: readonly string[], { orders, idOfKey }: Recorded): Finding[] {
  const found: Finding[] = [];
  if (ids.length > 1) found.push([ONE_ORDER, `got the ids of orders ${ids.join(' and ')}`]);
  for (const id of ids) {
    if (!orders.has(id)) found.push([ACKNOWLEDGED, `got the id of order ${id}, which does not exist`]);
    const recordedId = idOfKey.get(key);
    if (recordedId !== id)
      found.push([ONE_ORDER, `got the id of order ${id}, and the key stands for ${recordedId ?? 'none'}`]);
  }
  return found;
}

const checkLoss = (heard: readonly Heard[]): Finding[] =>
  heard.length > 0 ? [[ACKNOWLEDGED, 'was answered, and the order does not exist']] : [];

function checkAnswers(buyer: BuyerHistory, order: RecordedOrder, { commands }: Recorded): Finding[] {
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

function checkEnd(buyer: BuyerHistory, { stage, payments }: RecordedOrder): Finding[] {
  const found: Finding[] = [];
  const wasPlaced = buyer.heard.some(({ operation, status }) => operation === 'create' && status === 201);
  const hasPaid = PAYING.some((operation) => hasSent(buyer, operation));
  const mustExpire = wasPlaced && !hasPaid && !hasSent(buyer, 'cancel');
  if (mustExpire && stage !== 'expired')
    found.push([EXPIRES, `was neither paid nor cancelled, and the order is ${stage}`]);
  const isPaid = stage === 'paid' || stage === 'refunded';
  if (payments !== (isPaid ? 1 : 0))
    found.push([ONE_PAYMENT, `the order is ${stage} and was paid ${payments} times`]);
  if (payments > 0 && !hasPaid) found.push([ONE_PAYMENT, 'never paid, and the order is']);
  return found;
}

const PAYING = ['pay', 'create and pay', 'add payment'] as const;

const hasSent = (buyer: BuyerHistory, operation: Operation): boolean => countSent(buyer, operation) > 0;

const countSent = ({ sent }: BuyerHistory, operation: Operation): number =>
  sent.filter((one) => one.operation === operation).length;

/** What an answer commits the system to. A repeated answer may show a later stage of the order, so the stage is left out. */
const commitmentOf = ({ status, body }: Heard): string =>
  [status, body.code ?? '', body.id ?? body.orderId ?? ''].join(' ');

function findDifferingAnswers(heard: readonly Heard[]): string[] {
  const first = new Map<string, Heard>();
  return heard.flatMap((answer) => {
    const earlier = first.get(answer.key);
    if (!earlier) first.set(answer.key, answer);
    return !earlier || commitmentOf(earlier) === commitmentOf(answer)
      ? []
      : [`${answer.operation} was answered ${describeAnswer(earlier)} and ${describeAnswer(answer)}`];
  });
}

const describeAnswer = ({ status, body }: Heard): string => [status, body.code ?? body.stage ?? ''].join(' ');

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
  // What became of the payment is another question.
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

/** Finds orders that no caller asked for. */
function checkStrays(buyers: readonly BuyerHistory[], { orders, idOfKey }: Recorded): Violation[] {
  const asked = new Set(buyers.map(({ key }) => idOfKey.get(key)));
  return [...orders.keys()]
    .filter((id) => !asked.has(id))
    .map((id) => ({ rule: ONE_ORDER, subject: `order ${id}`, finding: 'belongs to no key' }));
}

function checkDeposits(deposits: readonly Deposit[], recorded: Recorded): Violation[] {
  const heard = Map.groupBy(deposits, ({ walletId }) => walletId);
  return [...heard].flatMap(([walletId, ofWallet]) => {
    const amount = ofWallet.reduce((total, deposit) => total + deposit.amount, 0);
    const found = recorded.deposits.get(walletId) ?? { count: 0, amount: 0 };
    if (found.count === ofWallet.length && found.amount === amount) return [];
    const finding = `${ofWallet.length} deposits of ${amount} in all were answered, and ${found.count} of ${found.amount} are recorded`;
    return [{ rule: ONE_DEPOSIT, subject: `wallet ${walletId}`, finding }];
  });
}

function checkTimes({ id, deadline, paidAt, expiredAt }: RecordedOrder): Violation[] {
  const subject = `order ${id}`;
  const due = deadline.toISOString();
  const found: Violation[] = [];
  if (paidAt && paidAt >= deadline)
    found.push({ rule: EXPIRES, subject, finding: `due ${due}, paid ${paidAt.toISOString()}` });
  if (expiredAt && expiredAt < deadline)
    found.push({ rule: EXPIRES, subject, finding: `due ${due}, expired ${expiredAt.toISOString()}` });
  return found;
}
