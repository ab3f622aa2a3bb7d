/** The checker of a fault run finds each kind of wrong payment, and none where every payment is what its buyer asked for. */
import { expect, test } from 'vitest';
import type { AddPayment } from '../../api/client.ts';
import type { Heard } from '../../lab/faults/history.ts';
import { checkPayments } from '../../lab/faults/payment-checker.ts';
import type { RecordedPayment } from '../../lab/faults/recorded-payments.ts';

const ORDER = '01a206f8-c637-74cb-94ac-5ec432612e58';

/** An order of 3,000 that a wallet and the provider paid, after a card was declined. A refund gave back 500 by the provider. */
const ORDERED = { stage: 'paid', total: 3_000, taken: 3_000, secured: 3_000, refunded: 500 };
const WALLET: RecordedPayment = {
  id: 'payment-1',
  orderId: ORDER,
  key: 'wallet',
  method: 'wallet',
  amount: 1_000,
  state: 'captured',
  secures: true,
  reason: null,
  refunded: 0,
  refunds: 0,
  owed: 0,
  held: 0,
  received: 1_000,
  returned: 0,
  toWallet: 0,
};
const CARD: RecordedPayment = {
  ...WALLET,
  id: 'payment-2',
  key: 'card',
  method: 'provider',
  amount: 2_000,
  refunded: 500,
  refunds: 500,
  received: 2_000,
  returned: 500,
};
const DECLINED: RecordedPayment = {
  ...WALLET,
  id: 'payment-3',
  key: 'declined',
  method: 'provider',
  amount: 2_000,
  state: 'declined',
  secures: false,
  reason: 'The bank said no.',
  received: 0,
};
const RETURNED: RecordedPayment = {
  ...CARD,
  id: 'payment-4',
  key: 'late',
  state: 'returned',
  secures: false,
  refunded: 0,
  refunds: 0,
  returned: 2_000,
};

const ASKED: Readonly<Record<string, AddPayment>> = {
  wallet: { method: 'wallet', amount: 1_000 },
  card: { method: 'provider', source: 'ok' },
  declined: { method: 'provider', amount: 2_000, source: 'declined' },
  late: { method: 'provider', amount: 2_000, source: 'ok' },
  more: { method: 'wallet', amount: 4_000 },
};

const opened = (key: string, id: string): Heard => ({
  operation: 'add payment',
  key,
  status: 201,
  body: { id, orderId: ORDER },
});
const refused = (key: string, code: string): Heard => ({
  operation: 'add payment',
  key,
  status: 409,
  body: { code },
});
const HEARD = [
  opened('wallet', 'payment-1'),
  opened('card', 'payment-2'),
  refused('declined', 'payment_declined'),
  refused('more', 'payment_exceeds_total'),
];

interface Run {
  order?: Partial<typeof ORDERED>;
  payments?: readonly RecordedPayment[];
  heard?: readonly Heard[];
}

function findingsOn({ order, payments = [WALLET, CARD, DECLINED], heard = HEARD }: Run): string[] {
  const buyer = {
    key: 'one',
    behaviour: 'pays in parts',
    sent: [
      ...Object.entries(ASKED).map(([key, payment]) => ({
        operation: 'add payment' as const,
        request: { path: '', key },
        payment,
      })),
      { operation: 'void payment' as const, request: { path: '', key: 'void' }, paymentId: 'payment-2' },
    ],
    heard: [...heard],
    orderIds: new Set([ORDER]),
  };
  const recorded = {
    id: ORDER,
    deadline: new Date(),
    payments: 1,
    lines: [],
    paidAt: null,
    expiredAt: null,
    expiryRecordedAt: null,
    ...ORDERED,
    ...order,
  };
  return checkPayments(buyer, recorded, payments).map(([rule, finding]) => `${rule}: ${finding}`);
}

test('the checker finds nothing when every payment is what its buyer asked for, and its money is where it belongs', () => {
  expect(findingsOn({})).toEqual([]);
  const late = {
    payments: [WALLET, CARD, DECLINED, RETURNED],
    heard: [...HEARD, opened('late', 'payment-4')],
  };
  expect(findingsOn(late)).toEqual([]);
  const over = { stage: 'expired', taken: 0, secured: 0, refunded: 0 };
  const payments = [RETURNED, DECLINED];
  expect(
    findingsOn({ order: over, payments, heard: [opened('late', 'payment-4'), ...HEARD.slice(2)] }),
  ).toEqual([]);
});

const ONE = 'every payment is one that its buyer asked for';
const TRUTH = 'every caller knows the outcome of its own payment';
const NO_MONEY = 'no order is paid without its money';
const KEPT = 'no money is kept without its order';
const ONCE = 'every payment moves its money once, and gives back what it should';
const SETTLED = 'every payment is settled when nothing is open';

const described = ({ id, method, amount, state }: RecordedPayment): string =>
  `payment ${id} of ${amount} by ${method}, which is ${state},`;
const without = (one: RecordedPayment, change: Partial<RecordedPayment>): Run => ({
  payments: [WALLET, CARD, DECLINED].map((payment) =>
    payment === one ? { ...payment, ...change } : payment,
  ),
});

const WRONGS: readonly (readonly [wrong: string, run: Run, finding: string])[] = [
  [
    'an order is paid although a part of its money was never captured',
    without(CARD, { state: 'capturing', received: 0, returned: 0, refunded: 0, refunds: 0 }),
    `${NO_MONEY}: the order is paid for 3000, and its payments captured 1000`,
  ],
  [
    'the shop took less than an order costs',
    { order: { taken: 2_999 } },
    `${NO_MONEY}: the order costs 3000, and 2999 was taken for it`,
  ],
  [
    'an expired order keeps a captured payment',
    {
      order: { stage: 'expired', taken: 0, secured: 0 },
      payments: [{ ...WALLET, secures: false }, DECLINED],
      heard: HEARD.filter(({ key }) => key !== 'card'),
    },
    `${KEPT}: ${described(WALLET)} is kept, and the order is expired`,
  ],
  [
    'a paid order keeps a payment that it does not count on',
    { payments: [WALLET, CARD, { ...RETURNED, state: 'captured', returned: 0 }, DECLINED] },
    `${KEPT}: payment payment-4 of 2000 by provider, which is captured, is kept, and the order is paid`,
  ],
  [
    'payments secure an order that was cancelled',
    { order: { stage: 'cancelled', taken: 0 }, payments: [WALLET, CARD] },
    `${SETTLED}: the order is cancelled, and payments secure it`,
  ],
  [
    'an order counts on more than its payments are of',
    { order: { secured: 2_500 } },
    `${SETTLED}: the order says that 2500 is secured, and its payments differ`,
  ],
  [
    'a payment is never settled',
    without(DECLINED, { state: 'authorised' }),
    `${SETTLED}: payment payment-3 of 2000 by provider, which is authorised, is unsettled, and the order paid`,
  ],
  [
    'a refund is never sent',
    without(CARD, { owed: 500, returned: 0 }),
    `${SETTLED}: ${described(CARD)} owes 500`,
  ],
  [
    'a wallet holds money for a payment that is over',
    without(WALLET, { held: 1_000 }),
    `${SETTLED}: ${described(WALLET)} holds 1000 in its wallet`,
  ],
  [
    'a payment takes its money twice',
    without(WALLET, { received: 2_000 }),
    `${ONCE}: ${described(WALLET)} took 2000`,
  ],
  [
    'a refund is sent twice',
    without(CARD, { returned: 1_000 }),
    `${ONCE}: ${described(CARD)} gave back 1000 of 500`,
  ],
  [
    'a payment counts another sum than its refunds',
    without(CARD, { refunded: 400 }),
    `${ONCE}: ${described(CARD)} says 400 is refunded, and its refunds 500`,
  ],
  [
    'returned money goes back in part',
    { payments: [WALLET, CARD, DECLINED, { ...RETURNED, returned: 1_500 }] },
    `${ONCE}: ${described(RETURNED)} gave back 1500 of 2000`,
  ],
  [
    'a payment is made that nobody asked for',
    without(WALLET, { key: null }),
    `${ONE}: payment payment-1 of no key was never asked for`,
  ],
  [
    'a payment is of another amount',
    without(WALLET, { amount: 900 }),
    `${ONE}: wallet asked for 1000 by wallet, and 900 by wallet is recorded`,
  ],
  [
    'a payment is from another source',
    without(WALLET, { method: 'provider' }),
    `${ONE}: wallet asked for 1000 by wallet, and 1000 by provider is recorded`,
  ],
  [
    'a payment is answered and not recorded',
    { heard: [...HEARD, opened('more', 'payment-9')] },
    `${TRUTH}: more was answered 201, but it is recorded as none`,
  ],
  [
    'a payment is answered as another one',
    { heard: [opened('wallet', 'payment-2'), ...HEARD.slice(1)] },
    `${TRUTH}: wallet was answered 201, but it is recorded as payment-1`,
  ],
  [
    'a payment is refused and made all the same',
    { heard: [refused('wallet', 'payment_exceeds_total'), ...HEARD.slice(1)] },
    `${TRUTH}: wallet was answered payment_exceeds_total, but it is recorded as payment-1, which is captured`,
  ],
  [
    'a payment is answered as declined and taken',
    { heard: [refused('card', 'payment_declined'), ...HEARD.slice(2)] },
    `${TRUTH}: card was answered payment_declined, but the payment is captured`,
  ],
  [
    'a void is answered, and the order counts on the payment',
    { heard: [...HEARD, { operation: 'void payment', key: 'void', status: 200, body: { id: 'payment-2' } }] },
    `${TRUTH}: void was answered 200, but the payment is captured and secures its order`,
  ],
];

test.each(WRONGS)('the checker of a fault run reports a violation when %s', (_wrong, run, finding) => {
  expect(findingsOn(run)).toContain(finding);
});
