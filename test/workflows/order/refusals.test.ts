/** Open orders carry results in the shape of their release: a refusal is read from each. */
import { expect, test } from 'vitest';
import { WALLET_FULL } from '../../../domain/attention.ts';
import { refusalOf, type RecordedResult } from '../../../workflows/order/refusals.ts';

/** As steps answer now, and as they answered up to 0.4. */
const ANSWERS: readonly [
  what: string,
  step: 'pay' | 'refund',
  now: RecordedResult,
  before: RecordedResult,
  refusal: string | null,
][] = [
  [
    'a payment that was made',
    'pay',
    { stage: 'paid', reason: null, refusal: null },
    { stage: 'paid', reason: null },
    null,
  ],
  [
    'a payment without funds',
    'pay',
    { stage: 'awaiting_payment', reason: null, refusal: 'insufficient_funds' },
    { stage: 'awaiting_payment', reason: 'insufficient_funds' },
    'insufficient_funds',
  ],
  [
    'a second payment of an order that was refunded since',
    'pay',
    { stage: 'refunded', reason: null, refusal: 'order_not_payable' },
    { stage: 'refunded', reason: 'order_not_payable' },
    'order_not_payable',
  ],
  [
    'a refund that was made with the name of a refusal as its reason',
    'refund',
    { stage: 'refunded', reason: WALLET_FULL, refusal: null },
    { stage: 'refunded', reason: WALLET_FULL },
    null,
  ],
  [
    'a refund that does not fit into its wallet',
    'refund',
    { stage: 'paid', reason: null, refusal: WALLET_FULL },
    { stage: 'paid', reason: WALLET_FULL },
    WALLET_FULL,
  ],
  [
    'a refund of an order that is not paid',
    'refund',
    { stage: 'cancelled', reason: null, refusal: 'order_not_refundable' },
    { stage: 'cancelled', reason: 'order_not_refundable' },
    'order_not_refundable',
  ],
];

test.each(ANSWERS)(
  '%s is read alike from a current result and from one that an older release recorded',
  (_what, step, now, before, refusal) => {
    expect(refusalOf(step, now)).toBe(refusal);
    expect(refusalOf(step, before)).toBe(refusal);
  },
);
