/** The checker of a fault run finds each kind of untrue answer, and none where every answer is true. */
import { expect, test } from 'vitest';
import { checkHistory } from '../../lab/faults/history-checker.ts';
import type { BuyerHistory, Heard, Operation } from '../../lab/faults/history.ts';
import type { Recorded } from '../../lab/faults/recorded.ts';

const ORDER = '01a206f8-c637-74cb-94ac-5ec432612e58';

/** A buyer who paid, whose second payment was refused, and who got the money back. */
const TRUTH: readonly Heard[] = [
  { operation: 'create', key: 'one', status: 201, body: { id: ORDER, stage: 'awaiting_payment' } },
  { operation: 'pay', key: 'one pay 1', status: 200, body: { id: ORDER, stage: 'paid' } },
  { operation: 'pay', key: 'one pay 2', status: 422, body: { code: 'insufficient_funds' } },
  {
    operation: 'refund',
    key: 'one refund 3',
    status: 200,
    body: { id: ORDER, stage: 'refunded', refunded: 1_000 },
  },
];

const RECORDED: Recorded = {
  orders: new Map([
    [
      ORDER,
      {
        id: ORDER,
        stage: 'refunded',
        deadline: new Date('2026-11-23T06:09:56Z'),
        payments: 1,
        total: 1_000,
        secured: 0,
        taken: 1_000,
        refunded: 1_000,
        lines: [],
        paidAt: new Date('2026-11-23T06:00:00Z'),
        expiredAt: null,
        expiryRecordedAt: null,
      },
    ],
  ]),
  idOfKey: new Map([['one', ORDER]]),
  commands: new Map([
    ['one pay 1', { effect: 'paid', kept: 200 }],
    ['one pay 2', { effect: null, kept: 422 }],
    ['one refund 3', { effect: 'refunded', kept: 200 }],
  ]),
  refunds: new Map([
    [ORDER, [{ orderId: ORDER, key: 'one refund 3', version: 3, amount: 1_000, given: 1_000, lines: [] }]],
  ]),
  payments: new Map(),
  deposits: new Map(),
  notifications: 0,
  extended: 0,
  attentionMarks: 0,
};

function findingsOn(heard: readonly Heard[], commands = RECORDED.commands): string[] {
  const rest = { refund: { reason: 'does not fit', restock: false } };
  const sent = heard.map(({ operation, key }) => ({
    operation,
    request: { path: '', key },
    ...(operation === 'refund' && rest),
  }));
  const orderIds = new Set([ORDER]);
  const buyer: BuyerHistory = { key: 'one', behaviour: 'pays', sent, heard: [...heard], orderIds };
  const found = checkHistory({ buyers: [buyer], deposits: [] }, { ...RECORDED, commands });
  return found.map(({ rule, finding }) => `${rule}: ${finding}`);
}

test('the checker of a fault run finds no violation when every answer is true, however often it is given', () => {
  expect(findingsOn([...TRUTH, ...TRUTH])).toEqual([]);
});

const COMMAND = 'every caller knows the outcome of its own command';
const plant = (operation: Operation, lie: Partial<Heard>): Heard[] =>
  TRUTH.map((heard) =>
    heard.operation === operation && heard.status === 200 ? { ...heard, ...lie } : heard,
  );

const LIES = [
  {
    lie: 'a caller whose payment was taken hears that it was refused',
    heard: plant('pay', { status: 409, body: { code: 'order_expired' } }),
    commands: { 'one pay 1': { effect: 'paid', kept: 409 } },
    finding: `${COMMAND}: pay was answered 409 order_expired, but this very command made the order paid`,
  },
  {
    lie: 'a caller hears that its refund was made, and another command made it',
    heard: TRUTH,
    commands: { 'one refund 3': { effect: null, kept: 200 } },
    finding: `${COMMAND}: refund was answered 200 refunded, but this command moved no order`,
  },
  {
    lie: 'a refund is answered with a stage that no refund leads to',
    heard: plant('refund', { body: { id: ORDER, stage: 'expired' } }),
    commands: {},
    finding: `${COMMAND}: refund was answered 200 expired, but that is no success`,
  },
  {
    lie: 'the answer that is kept under a key is not the one that its caller heard',
    heard: TRUTH,
    commands: { 'one pay 1': { effect: 'paid', kept: 409 } },
    finding: `${COMMAND}: pay was answered 200 paid, but the answer that is kept is 409`,
  },
  {
    lie: 'the same key gets another answer when it is sent again at the end',
    heard: [
      ...TRUTH,
      { operation: 'pay' as const, key: 'one pay 2', status: 409, body: { code: 'order_expired' } },
    ],
    commands: { 'one pay 2': { effect: null, kept: null } },
    finding:
      'every answer to one key is the same: pay was answered 422 insufficient_funds and 409 order_expired',
  },
];

// Vitest shortens a long `$lie` in the name, but not a `%s`.
test.each(LIES.map((planted) => [planted.lie, planted] as const))(
  'the checker of a fault run reports a violation when %s',
  (_lie, { heard, commands, finding }) => {
    expect(findingsOn(heard, new Map([...RECORDED.commands, ...Object.entries(commands)]))).toContain(
      finding,
    );
  },
);
