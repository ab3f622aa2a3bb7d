/** Checks the history of a run: whether every answer that a caller got is true of the database. */
import { checkAnswers, describeAnswer } from './answer-checker.ts';
import type { Violation } from './figures.ts';
import { hasSent, type BuyerHistory, type Deposit, type Heard, type History } from './history.ts';
import { checkPayments } from './payment-checker.ts';
import type { Recorded, RecordedOrder } from './recorded.ts';
import { checkRefunds, type Finding } from './refund-checker.ts';

const ACKNOWLEDGED = 'every acknowledged order is in the database';
const ONE_ORDER = 'every key has one order';
const SAME_ANSWER = 'every answer to one key is the same';
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
