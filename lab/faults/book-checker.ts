/** Compares the provider's book with the payments and the ledger, to the unit. */
import type { PaymentReason } from '../../domain/payments.ts';
import type { BookedPayment } from '../harness/provider.ts';
import type { Violation } from './figures.ts';
import type { PaymentRemains, RecordedPayment } from './recorded-payments.ts';

const SAME = 'the provider\u2019s book and ours agree to the unit';
const NO_STRANGER = 'the provider has no payment that we do not know';
const NOTHING_SET_ASIDE = 'no money stays set aside at the provider';
const NOTHING_LEFT = 'no money stays in clearing';
const WRONG: readonly string[] = ['wrong_amount', 'wrong_currency', 'wrong_order'] satisfies PaymentReason[];
const ASKED = 'every notification makes us ask about its payment';

export function checkBook(payments: readonly RecordedPayment[], book: readonly BookedPayment[]): Violation[] {
  const booked = new Map(book.map((one) => [one.reference, one]));
  const ours = new Map(payments.map((one) => [one.id, one]));
  return [
    ...book.filter(({ reference }) => ours.get(reference)?.method !== 'provider').map(describeStranger),
    ...payments
      .filter(({ method }) => method === 'provider')
      .flatMap((payment) => comparePayment(payment, booked.get(payment.id))),
  ];
}

export const checkRemains = ({ clearing, waitingNotifications }: PaymentRemains): Violation[] => [
  ...clearing.map(({ orderId, amount }) => ({
    rule: NOTHING_LEFT,
    subject: `order ${orderId}`,
    finding: `${amount} of its payments is neither its own nor given back`,
  })),
  ...waitingNotifications.map(({ id, reference, state }) => ({
    rule: ASKED,
    subject: `notification ${id}`,
    finding: `is ${state}, of payment ${reference}`,
  })),
];

const describeStranger = ({ id, reference, state, amount }: BookedPayment): Violation => ({
  rule: NO_STRANGER,
  subject: `payment ${id} at the provider`,
  finding: `is ${state} for ${amount}, with the reference ${reference}`,
});

const isRefusedAsWrong = ({ state, reason }: RecordedPayment, booked: BookedPayment | undefined): boolean =>
  booked !== undefined && state === 'declined' && WRONG.includes(reason ?? '');

function comparePayment(payment: RecordedPayment, booked: BookedPayment | undefined): Violation[] {
  const { id, orderId, state, amount, received, returned } = payment;
  const { captured, refunded } = booked ?? { captured: 0, refunded: 0 };
  const found: [rule: string, finding: string][] = [];
  if (isRefusedAsWrong(payment, booked)) {
    // It never was the payment that was asked for, so the ledger has nothing of it.
    if (captured !== refunded)
      found.push([SAME, `the provider captured ${captured}, and gave ${refunded} back`]);
  } else {
    if (booked !== undefined && (booked.order !== orderId || booked.amount !== amount))
      found.push([SAME, `the provider has it for ${booked.amount} of order ${booked.order}`]);
    if (captured !== received)
      found.push([SAME, `the provider captured ${captured}, and the ledger ${received}`]);
    if (refunded !== returned)
      found.push([SAME, `the provider gave ${refunded} back, and the ledger ${returned}`]);
  }
  if (booked?.state === 'authorised' || booked?.state === 'pending')
    found.push([NOTHING_SET_ASIDE, `it is ${booked.state} for ${booked.amount}`]);
  return found.map(([rule, finding]) => ({
    rule,
    subject: `payment ${id} of order ${orderId}, ${state}`,
    finding,
  }));
}
