/** Checks the payments in parts of a buyer's order: each was asked for, is answered truly, and moved its money once. */
import { sum } from '../harness/statistics.ts';
import type { BuyerHistory, Heard, PaymentOperation, Sent } from './history.ts';
import type { RecordedOrder } from './recorded.ts';
import type { RecordedPayment } from './recorded-payments.ts';
import type { Finding } from './refund-checker.ts';

const ONE_PAYMENT = 'every payment is one that its buyer asked for';
const TRUTH = 'every caller knows the outcome of its own payment';
const NO_MONEY = 'no order is paid without its money';
const KEPT_MONEY = 'no money is kept without its order';
const MOVED_ONCE = 'every payment moves its money once, and gives back what it should';
const SETTLED = 'every payment is settled when nothing is open';

const REFUSALS: Readonly<Record<PaymentOperation, readonly string[]>> = {
  'add payment': [
    'payment_exceeds_total',
    'payment_declined',
    'insufficient_funds',
    'too_many_payments',
    'order_not_payable',
    'order_expired',
  ],
  'void payment': ['payment_not_voidable'],
};

/** With or without faults, a buyer of this workload may get no other refusals. */
export const isExpectedOfPayment = (operation: PaymentOperation, code: string): boolean =>
  REFUSALS[operation].includes(code);

export function checkPayments(
  { sent, heard }: BuyerHistory,
  order: RecordedOrder,
  payments: readonly RecordedPayment[],
): Finding[] {
  const asked = new Map(sent.map((one) => [one.request.key, one]));
  return [
    ...checkCover(order, payments),
    ...payments.flatMap((payment) => [
      ...checkAsked(payment, asked.get(payment.key ?? '')),
      ...checkMoney(payment),
      ...checkState(payment, order),
    ]),
    ...heard.flatMap((answer) => {
      const lie = findLie(answer, asked.get(answer.key), payments);
      const { key, status, body } = answer;
      return lie === undefined
        ? []
        : [[TRUTH, `${key} was answered ${body.code ?? status}, but ${lie}`] as const];
    }),
  ];
}

const isPaid = ({ stage }: RecordedOrder): boolean => stage === 'paid' || stage === 'refunded';

/** What secures a paid order is its whole total, and captured; nothing secures an order that was never paid. */
function checkCover(order: RecordedOrder, payments: readonly RecordedPayment[]): Finding[] {
  const { stage, total, taken, secured } = order;
  const securing = payments.filter(({ secures }) => secures);
  const found: Finding[] = [];
  if (secured !== sum(securing.map(({ amount }) => amount)))
    found.push([SETTLED, `the order says that ${secured} is secured, and its payments differ`]);
  if (!isPaid(order)) {
    if (securing.length > 0) found.push([SETTLED, `the order is ${stage}, and payments secure it`]);
    return found;
  }
  if (taken !== total) found.push([NO_MONEY, `the order costs ${total}, and ${taken} was taken for it`]);
  const captured = sum(securing.map(({ state, amount }) => (state === 'captured' ? amount : 0)));
  if (secured > 0 && captured !== total)
    found.push([NO_MONEY, `the order is ${stage} for ${total}, and its payments captured ${captured}`]);
  return found;
}

function checkAsked({ id, key, method, amount }: RecordedPayment, sent: Sent | undefined): Finding[] {
  const { payment } = sent ?? {};
  if (payment === undefined)
    return [[ONE_PAYMENT, `payment ${id} of ${key ?? 'no key'} was never asked for`]];
  const isAsked = payment.method === method && (payment.amount ?? amount) === amount;
  const asked = `${payment.amount ?? 'all'} by ${payment.method}`;
  return isAsked ? [] : [[ONE_PAYMENT, `${key} asked for ${asked}, and ${amount} by ${method} is recorded`]];
}

/** What the ledger moved for a payment. */
function checkMoney(payment: RecordedPayment): Finding[] {
  const { amount, state, refunded, refunds, owed, received, returned, toWallet } = payment;
  const isTaken = state === 'captured' || state === 'returned';
  const given = returned + toWallet;
  const due = state === 'returned' ? amount : refunds - owed;
  const found: Finding[] = [];
  if (received !== (isTaken ? amount : 0)) found.push([MOVED_ONCE, `${describe(payment)} took ${received}`]);
  if (given !== due) found.push([MOVED_ONCE, `${describe(payment)} gave back ${given} of ${due}`]);
  if (refunds !== refunded)
    found.push([MOVED_ONCE, `${describe(payment)} says ${refunded} is refunded, and its refunds ${refunds}`]);
  return found;
}

function checkState(payment: RecordedPayment, order: RecordedOrder): Finding[] {
  const { state, secures, owed, held } = payment;
  const found: Finding[] = [];
  if (state === 'pending' || state === 'authorised' || state === 'capturing')
    found.push([SETTLED, `${describe(payment)} is unsettled, and the order ${order.stage}`]);
  if (owed > 0) found.push([SETTLED, `${describe(payment)} owes ${owed}`]);
  if (held > 0) found.push([SETTLED, `${describe(payment)} holds ${held} in its wallet`]);
  if (state === 'captured' && !(secures && isPaid(order)))
    found.push([KEPT_MONEY, `${describe(payment)} is kept, and the order is ${order.stage}`]);
  return found;
}

const describe = ({ id, method, amount, state }: RecordedPayment): string =>
  `payment ${id} of ${amount} by ${method}, which is ${state},`;

/** What is untrue of an answer about its own payment, however it ended later. */
function findLie(
  { operation, key, status, body }: Heard,
  sent: Sent | undefined,
  payments: readonly RecordedPayment[],
): string | undefined {
  if (operation === 'void payment') return findLieAboutVoid(status, sent, payments);
  if (operation !== 'add payment') return undefined;
  const own = payments.find((payment) => payment.key === key);
  if (status < 300) return own?.id === body.id ? undefined : `it is recorded as ${own?.id ?? 'none'}`;
  if (body.code === 'payment_declined' || body.code === 'insufficient_funds')
    return own === undefined || own.secures || own.state === 'captured'
      ? `the payment is ${own?.state ?? 'not recorded'}`
      : undefined;
  return own === undefined ? undefined : `it is recorded as ${own.id}, which is ${own.state}`;
}

/** A void that was answered takes the payment from its order for good. */
function findLieAboutVoid(
  status: number,
  sent: Sent | undefined,
  payments: readonly RecordedPayment[],
): string | undefined {
  const payment = payments.find(({ id }) => id === sent?.paymentId);
  if (payment === undefined) return 'there is no such payment';
  const { state, secures } = payment;
  return status < 300 && secures ? `the payment is ${state} and secures its order` : undefined;
}
