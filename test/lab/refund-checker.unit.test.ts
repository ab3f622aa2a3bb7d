/** The checker of a fault run finds each kind of wrong refund, and none where every refund is what its caller asked for. */
import { expect, test } from 'vitest';
import type { RefundOrder } from '../../api/client.ts';
import type { Heard } from '../../lab/faults/history.ts';
import { checkRefunds } from '../../lab/faults/refund-checker.ts';
import type { RecordedRefund } from '../../lab/faults/recorded-refunds.ts';

const ORDER = '01a206f8-c637-74cb-94ac-5ec432612e58';
const reason = 'does not fit';

/** An order of three units for 2,900, of which an amount and two units were refunded, and another two units were refused. */
const ORDERED = { taken: 2_900, refunded: 2_433, lines: [{ sku: 'A', quantity: 3, refunded: 2 }] };
const ASKED: Readonly<Record<string, RefundOrder>> = {
  amount: { reason, amount: 500 },
  units: { reason, lines: [{ sku: 'A', quantity: 2, restock: true }] },
  more: { reason, lines: [{ sku: 'A', quantity: 2, restock: false }] },
};
const AMOUNT: RecordedRefund = {
  orderId: ORDER,
  key: 'amount',
  version: 3,
  amount: 500,
  given: 500,
  lines: [],
};
const UNITS: RecordedRefund = {
  orderId: ORDER,
  key: 'units',
  version: 4,
  amount: 1_933,
  given: 1_933,
  lines: [{ sku: 'A', quantity: 2, returned: 2 }],
};
const REST: RecordedRefund = { ...AMOUNT, key: 'rest', version: 5, amount: 467, given: 467 };

const made = (key: string, refunded: number): Heard => ({
  operation: 'refund',
  key,
  status: 200,
  body: { id: ORDER, stage: 'paid', refunded },
});
const refused = (key: string, code: string): Heard => ({
  operation: 'refund',
  key,
  status: 409,
  body: { code },
});
const HEARD = [made('amount', 500), made('units', 2_433), refused('more', 'refund_exceeds_units')];

interface Run {
  order?: Partial<typeof ORDERED>;
  refunds?: readonly RecordedRefund[];
  heard?: readonly Heard[];
  asked?: Readonly<Record<string, RefundOrder>>;
}

function findingsOn({ order, refunds = [AMOUNT, UNITS], heard = HEARD, asked }: Run): string[] {
  const buyer = {
    key: 'one',
    behaviour: 'wants parts back',
    sent: Object.entries({ ...ASKED, ...asked }).map(([key, refund]) => ({
      operation: 'refund' as const,
      request: { path: '', key },
      refund,
    })),
    heard: [...heard],
    orderIds: new Set([ORDER]),
  };
  const recorded = {
    id: ORDER,
    stage: 'paid',
    deadline: new Date(),
    payments: 1,
    total: 2_900,
    secured: 0,
    paidAt: null,
    expiredAt: null,
    expiryRecordedAt: null,
    ...ORDERED,
    ...order,
  };
  return checkRefunds(buyer, recorded, refunds).map(([rule, finding]) => `${rule}: ${finding}`);
}

test('the checker finds nothing when every refund is what its caller asked for and heard, however late it is shown', () => {
  expect(findingsOn({})).toEqual([]);
  expect(findingsOn({ heard: [...HEARD, made('amount', 2_433)] })).toEqual([]);
  const asked = { rest: { reason, restock: true } };
  const all = { order: { refunded: 2_900 }, refunds: [AMOUNT, UNITS, REST], asked };
  expect(findingsOn({ ...all, heard: [...HEARD, made('rest', 2_900)] })).toEqual([]);
});

const MORE = 'no more is refunded than was taken';
const ONCE = 'every refund is made once, and no other';
const AS_ASKED = 'every refund is of what its caller asked for';
const TRUTH = 'every caller knows the outcome of its own refund';

const WRONGS: readonly (readonly [wrong: string, run: Run, finding: string])[] = [
  [
    'more money is given back than was taken',
    { order: { taken: 2_000 } },
    `${MORE}: 2000 were taken, and 2433 given back`,
  ],
  [
    'more units are refunded than were bought',
    { order: { lines: [{ sku: 'A', quantity: 1, refunded: 1 }] } },
    `${MORE}: 2 of 1 units of A were refunded`,
  ],
  [
    'an order counts less than was given back',
    { order: { refunded: 500 } },
    `${ONCE}: 2433 were given back, and the order says 500`,
  ],
  [
    'a line counts fewer units than were refunded',
    { order: { lines: [{ sku: 'A', quantity: 3, refunded: 0 }] } },
    `${ONCE}: 2 units of A were refunded, and its line says 0`,
  ],
  [
    'a refund moves its money twice',
    { refunds: [{ ...AMOUNT, given: 1_000 }, UNITS] },
    `${ONCE}: amount is recorded with 500, and gave back 1000`,
  ],
  [
    'a refund is made that nobody asked for',
    { refunds: [AMOUNT, UNITS, REST] },
    `${ONCE}: a refund of 467 is recorded for rest`,
  ],
  [
    'a refund is made whose caller was refused',
    { heard: [refused('amount', 'refund_exceeds_payment'), ...HEARD.slice(1)] },
    `${TRUTH}: amount was answered refund_exceeds_payment, but it is recorded 1 times`,
  ],
  [
    'a refund is answered and not made',
    { refunds: [UNITS] },
    `${TRUTH}: amount was answered 200, but it is recorded 0 times`,
  ],
  [
    'a refund is made of another amount',
    { refunds: [{ ...AMOUNT, amount: 400, given: 400 }, UNITS] },
    `${AS_ASKED}: amount asked for 500, and 400 with no units is recorded`,
  ],
  [
    'a refund of units does not put them back',
    { refunds: [AMOUNT, { ...UNITS, lines: [{ sku: 'A', quantity: 2, returned: 0 }] }] },
    `${AS_ASKED}: units asked for 2 A (2 back on hand), and 2 A (0 back on hand) is recorded`,
  ],
  [
    'a refund of the rest leaves something',
    {
      refunds: [AMOUNT, UNITS, { ...REST, amount: 400, given: 400 }],
      asked: { rest: { reason, restock: true } },
      heard: [...HEARD, made('rest', 2_833)],
    },
    `${AS_ASKED}: rest asked for all that was left, and left 67`,
  ],
  [
    'an answer does not show its own refund',
    { heard: [made('amount', 500), made('units', 500), HEARD[2] ?? made('', 0)] },
    `${TRUTH}: units was answered 200, but it shows 500 as refunded, and 2433 were with it`,
  ],
  [
    'an amount is refused that is left',
    {
      heard: [...HEARD, refused('again', 'refund_exceeds_payment')],
      asked: { again: { reason, amount: 467 } },
    },
    `${TRUTH}: again was answered refund_exceeds_payment, but that much is left even now`,
  ],
  [
    'units are refused that are left',
    {
      heard: [...HEARD, refused('again', 'refund_exceeds_units')],
      asked: { again: { reason, lines: [{ sku: 'A', quantity: 1, restock: true }] } },
    },
    `${TRUTH}: again was answered refund_exceeds_units, but that much is left even now`,
  ],
  [
    'a refund is refused as if nothing were left',
    { heard: [...HEARD, refused('again', 'order_not_refundable')], asked: { again: { reason, amount: 1 } } },
    `${TRUTH}: again was answered order_not_refundable, but that much is left even now`,
  ],
];

test.each(WRONGS)('the checker of a fault run reports a violation when %s', (_wrong, run, finding) => {
  expect(findingsOn(run)).toContain(finding);
});
