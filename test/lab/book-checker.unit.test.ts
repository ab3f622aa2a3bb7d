/** The checker of a fault run compares the provider's book with ours to the unit. */
import { expect, test } from 'vitest';
import { checkBook, checkRemains } from '../../lab/faults/book-checker.ts';
import type { RecordedPayment } from '../../lab/faults/recorded-payments.ts';
import type { BookedPayment } from '../../lab/harness/provider.ts';

const ORDER = '01a206f8-c637-74cb-94ac-5ec432612e58';

const PAYMENT: RecordedPayment = {
  id: 'payment-1',
  orderId: ORDER,
  key: 'card',
  method: 'provider',
  amount: 2_000,
  state: 'captured',
  secures: true,
  reason: null,
  refunded: 500,
  refunds: 500,
  owed: 0,
  held: 0,
  received: 2_000,
  returned: 500,
  toWallet: 0,
};
const BOOKED: BookedPayment = {
  id: 'pay_1',
  reference: 'payment-1',
  order: ORDER,
  state: 'captured',
  amount: 2_000,
  currency: 'EUR',
  captured: 2_000,
  refunded: 500,
};
const VOIDED = { ...PAYMENT, id: 'payment-2', state: 'voided', received: 0, returned: 0 } as const;
const WRONG = { ...VOIDED, id: 'payment-3', state: 'declined', reason: 'wrong_amount' } as const;
const BOOKED_WRONG = {
  ...BOOKED,
  id: 'pay_3',
  reference: 'payment-3',
  amount: 2_001,
  captured: 2_001,
  refunded: 2_001,
};
const BY_WALLET = { ...PAYMENT, id: 'payment-4', method: 'wallet' } as const;

const OURS = [PAYMENT, VOIDED, WRONG, BY_WALLET];
const THEIRS = [BOOKED, BOOKED_WRONG];
const findings = (ours: readonly RecordedPayment[], theirs: readonly BookedPayment[]): string[] =>
  checkBook(ours, theirs).map(({ rule, finding }) => `${rule}: ${finding}`);

test('the checker takes books that agree, payments that the provider never heard of, and money that went back into a wallet', () => {
  expect(findings(OURS, THEIRS)).toEqual([]);
  const voided = {
    ...BOOKED,
    id: 'pay_2',
    reference: 'payment-2',
    state: 'voided',
    captured: 0,
    refunded: 0,
  } as const;
  expect(findings(OURS, [...THEIRS, voided])).toEqual([]);
  const intoWallet = { ...PAYMENT, returned: 0, toWallet: 500 };
  expect(findings([intoWallet], [{ ...BOOKED, refunded: 0 }])).toEqual([]);
});

const SAME = 'the provider\u2019s book and ours agree to the unit';
const ASIDE = 'no money stays set aside at the provider';

const WRONGS: readonly (readonly [
  wrong: string,
  ours: RecordedPayment,
  theirs: BookedPayment | undefined,
  finding: string,
])[] = [
  [
    'a capture is not in the ledger',
    { ...PAYMENT, received: 0 },
    BOOKED,
    `${SAME}: the provider captured 2000, and the ledger 0`,
  ],
  [
    'the ledger has a unit too much',
    { ...PAYMENT, received: 2_001 },
    BOOKED,
    `${SAME}: the provider captured 2000, and the ledger 2001`,
  ],
  [
    'a capture is only in the ledger',
    PAYMENT,
    undefined,
    `${SAME}: the provider captured 0, and the ledger 2000`,
  ],
  [
    'a refund never reached the provider',
    PAYMENT,
    { ...BOOKED, refunded: 0 },
    `${SAME}: the provider gave 0 back, and the ledger 500`,
  ],
  [
    'the provider refunded twice',
    PAYMENT,
    { ...BOOKED, refunded: 1_000 },
    `${SAME}: the provider gave 1000 back, and the ledger 500`,
  ],
  [
    'another amount was taken',
    PAYMENT,
    { ...BOOKED, amount: 2_500 },
    `${SAME}: the provider has it for 2500 of order ${ORDER}`,
  ],
  [
    'a payment is of another order',
    PAYMENT,
    { ...BOOKED, order: 'other' },
    `${SAME}: the provider has it for 2000 of order other`,
  ],
  [
    'money of a wrong amount stays with us',
    WRONG,
    { ...BOOKED_WRONG, refunded: 0 },
    `${SAME}: the provider captured 2001, and gave 0 back`,
  ],
  [
    'a void never reached the provider',
    VOIDED,
    { ...BOOKED, reference: 'payment-2', state: 'authorised', captured: 0, refunded: 0 },
    `${ASIDE}: it is authorised for 2000`,
  ],
];

test.each(WRONGS)(
  'the checker of a fault run reports a violation when %s',
  (_wrong, ours, theirs, finding) => {
    expect(findings([ours], theirs ? [theirs] : [])).toContain(finding);
  },
);

test('the checker finds a payment at the provider that nobody here made, and one that is paid by wallet', () => {
  const stranger = { ...BOOKED, id: 'pay_9', reference: 'payment-9' };
  const twice = { ...BOOKED, id: 'pay_4', reference: 'payment-4' };
  expect(checkBook(OURS, [...THEIRS, stranger, twice]).map(({ subject }) => subject)).toEqual([
    'payment pay_9 at the provider',
    'payment pay_4 at the provider',
  ]);
});

test('the checker finds money that stays in clearing, and notifications that nobody acted on', () => {
  expect(checkRemains({ clearing: [], waitingNotifications: [] })).toEqual([]);
  const waiting = { id: 'pay_1-2', reference: 'payment-1', state: 'unmatched' };
  const remains = { clearing: [{ orderId: ORDER, amount: 7 }], waitingNotifications: [waiting] };
  expect(checkRemains(remains).map(({ finding }) => finding)).toEqual([
    '7 of its payments is neither its own nor given back',
    'is unmatched, of payment payment-1',
  ]);
});
