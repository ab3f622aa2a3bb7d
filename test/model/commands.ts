/**
 * The commands of a case, as plain data, so that a failing case can be shrunk and printed. A command names things by how
 * long ago they appeared (order 0 is the newest), so that it keeps its meaning when others are left out.
 */
import * as fc from 'fast-check';
import { PAYMENT_METHODS, type PaymentMethod } from '../../domain/payments.ts';

const HEARD_STATES = ['pending', 'authorised', 'captured', 'declined', 'voided'] as const;
export type HeardState = (typeof HEARD_STATES)[number];

export interface CreateOrder {
  paymentMode: 'debit' | 'hold';
  wallet: number;
  lines: { sku: number; quantity: number }[];
  /** Left out for an order that has nothing but its lines. */
  terms?: Terms | undefined;
}

/** What an order has besides its lines. What it expects is right while its SKUs have the prices with which they began. */
export interface Terms {
  /** Of a line, by its index, or of the whole order. */
  adjustments: { amount: number; line: number | null }[];
  /** How far the caller is wrong; null when it expects nothing. */
  price: number | null;
  total: number | null;
}

/** Neither an amount nor units: all that is left. */
export interface RefundedPart {
  amount: number | null;
  lines: { sku: number; quantity: number; restock: boolean }[] | null;
  restock: boolean;
}

/** One request. */
export type Single =
  | ({ kind: 'create' } & CreateOrder)
  /** Cancelled before the reservation was answered; the reserve may then arrive late. */
  | ({ kind: 'abandon'; order: number | null } & CreateOrder)
  | { kind: 'pay'; order: number }
  /** Of the order's newest payment, or of a payment that never arrives. */
  | { kind: 'skipPayment'; order: number }
  | { kind: 'openPayment'; order: number; method: PaymentMethod; amount: number | null }
  | { kind: 'settle'; order: number }
  /** Of a payment by wallet, named by how long ago it was opened. */
  | { kind: 'advance'; payment: number }
  /** Of a payment by provider, named alike. */
  | { kind: 'hear'; payment: number; state: HeardState }
  | { kind: 'giveBack' | 'sendRefund'; payment: number }
  | { kind: 'void'; payment: number; method: PaymentMethod }
  | { kind: 'extendDeadline'; order: number }
  | { kind: 'cancel'; order: number }
  | { kind: 'expire'; order: number }
  | ({ kind: 'refund'; order: number } & RefundedPart)
  | { kind: 'deposit'; wallet: number; amount: number }
  | { kind: 'restock'; sku: number; quantity: number }
  | { kind: 'count'; sku: number; onHand: number; expectedOnHand: number }
  /** Without `onHand` as it should be, or with it as it was once allowed. */
  | { kind: 'putSku'; sku: number; onHand: number | null; price: number }
  /** An earlier request once more, with its key: a stale retry. `lateReserve` is the reservation of a cancelled order's request. */
  | { kind: 'again'; request: number }
  | { kind: 'lateReserve'; order: number };

export type Command =
  | Single
  | {
      kind: 'atOnce';
      /** Any serial order of these may be what happened. */
      requests: Single[];
      /** How many times each is sent. */
      copies: number;
      /** Whether all wait at locked rows until all have begun: the tightest race there is. */
      gated: boolean;
    };

export const ALL_THAT_IS_LEFT: RefundedPart = { amount: null, lines: null, restock: true };

export const SKU_COUNT = 3;
export const WALLET_COUNT = 3;

// One more than there are, so that some requests ask for something unknown.
const sku = fc.oneof({ weight: 12, arbitrary: fc.nat(1) }, fc.nat(SKU_COUNT));
const wallet = fc.oneof({ weight: 12, arbitrary: fc.nat(1) }, fc.nat(WALLET_COUNT));
const quantity = fc.integer({ min: 1, max: 4 });
// Mostly the newest, so that commands collide.
const order = fc.oneof({ weight: 2, arbitrary: fc.nat(1) }, fc.nat(8));
/** Mostly right. */
const expected = fc.oneof(
  { weight: 2, arbitrary: fc.constant(null) },
  { weight: 2, arbitrary: fc.constant(0) },
  { weight: 1, arbitrary: fc.constantFrom(-1, 1) },
);
const terms = fc.record({
  adjustments: fc.array(
    fc.record({
      // Some take more off than there is.
      amount: fc.integer({ min: -300, max: 100 }).filter((amount) => amount !== 0),
      line: fc.option(fc.nat(2)),
    }),
    { maxLength: 3 },
  ),
  price: expected,
  total: expected,
});
const createFields = {
  paymentMode: fc.constantFrom('debit' as const, 'hold' as const),
  wallet,
  lines: fc.array(fc.record({ sku, quantity }), { minLength: 1, maxLength: 3 }),
  terms: fc.option(terms, { nil: undefined, freq: 2 }),
};

const kind = <K extends string>(name: K) => fc.constant(name);

const create = fc.record({ kind: kind('create'), ...createFields });
const onOpenOrder = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: kind('pay'), order }) },
  { weight: 2, arbitrary: fc.record({ kind: kind('cancel'), order }) },
  { weight: 2, arbitrary: fc.record({ kind: kind('expire'), order }) },
);
/** Often a half, so that two of them pay an order. */
const partOfTotal = fc.oneof(
  { weight: 2, arbitrary: fc.constant(null) },
  { weight: 3, arbitrary: fc.constantFrom(50, 100, 200) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 1_000 }) },
);
const payment = fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, fc.nat(4));
const onPayments = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: kind('openPayment'),
      order,
      method: fc.constantFrom(...PAYMENT_METHODS),
      amount: partOfTotal,
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: kind('settle'), order }) },
  { weight: 6, arbitrary: fc.record({ kind: kind('advance'), payment }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: kind('hear'),
      payment,
      // As often as it is good news.
      state: fc.constantFrom('authorised', 'captured', ...HEARD_STATES),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom('giveBack' as const, 'sendRefund' as const), payment }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: kind('void'), payment, method: fc.constantFrom(...PAYMENT_METHODS) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: kind('extendDeadline'), order }) },
);
const skipPayment = fc.record({ kind: kind('skipPayment'), order });
/** @param of a SKU that the order may have. */
export function partOf(of: fc.Arbitrary<number>): fc.Arbitrary<RefundedPart> {
  const restock = fc.boolean();
  const nothing = fc.constant(null);
  const units = fc.uniqueArray(fc.record({ sku: of, quantity: fc.integer({ min: 1, max: 3 }), restock }), {
    minLength: 1,
    maxLength: 2,
    selector: (line) => line.sku,
  });
  return fc.oneof(
    { weight: 2, arbitrary: fc.record({ amount: nothing, lines: nothing, restock }) },
    {
      weight: 2,
      arbitrary: fc.record({ amount: fc.integer({ min: 1, max: 400 }), lines: nothing, restock }),
    },
    { weight: 3, arbitrary: fc.record({ amount: nothing, lines: units, restock }) },
  );
}

const refund = fc
  .record({ kind: kind('refund'), order, part: partOf(sku) })
  .map(({ part, ...command }) => ({ ...command, ...part }));
const deposit = fc.record({ kind: kind('deposit'), wallet, amount: fc.integer({ min: 1, max: 3_000 }) });
const restock = fc.record({ kind: kind('restock'), sku, quantity });

const anySingle: fc.Arbitrary<Single> = fc.oneof(
  { weight: 6, arbitrary: create },
  { weight: 8, arbitrary: onOpenOrder },
  { weight: 8, arbitrary: onPayments },
  { weight: 6, arbitrary: refund },
  { weight: 1, arbitrary: skipPayment },
  { weight: 3, arbitrary: deposit },
  { weight: 3, arbitrary: restock },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: kind('count'),
      sku,
      onHand: fc.nat(12),
      // Often right: a SKU begins with 8 units.
      expectedOnHand: fc.oneof(fc.constant(8), fc.integer({ min: 4, max: 10 })),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: kind('putSku'),
      sku,
      onHand: fc.option(fc.nat(12)),
      price: fc.constantFrom(100, 250),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: kind('abandon'), order: fc.option(order), ...createFields }),
  },
  { weight: 1, arbitrary: fc.record({ kind: kind('lateReserve'), order }) },
  { weight: 3, arbitrary: fc.record({ kind: kind('again'), request: fc.nat(15) }) },
);

const atOnce = fc.record({
  kind: kind('atOnce'),
  requests: fc.oneof(
    fc.array(anySingle, { minLength: 2, maxLength: 2 }),
    fc.array(anySingle, { minLength: 1, maxLength: 1 }),
  ),
  copies: fc.constantFrom(1, 2),
  gated: fc.boolean(),
});

/** An order that is paid, unless something is missing, and then refunded in parts, some at once: few of the others get that far. */
const sold = fc
  .record({
    create,
    refunds: fc.array(refund, { minLength: 2, maxLength: 2 }),
    last: refund,
    copies: fc.constantFrom(1, 2),
    gated: fc.boolean(),
  })
  .map(({ create: placed, refunds, last, copies, gated }): Command[] => {
    const requests = refunds.map((one) => ({ ...one, order: 0 }));
    return [
      { kind: 'deposit', wallet: placed.wallet, amount: 3_000 },
      placed,
      { kind: 'pay', order: 0 },
      { kind: 'atOnce', requests, copies, gated },
      { ...last, order: 0 },
    ];
  });

/** An order that is paid in parts, some of it at once with whatever may end it, and then refunded in parts. */
const paidInParts = fc
  .record({
    create,
    first: fc.constantFrom(...PAYMENT_METHODS),
    amount: fc.constantFrom(1, 50, 100),
    rival: fc.option(fc.oneof(onOpenOrder, onPayments), { freq: 2 }),
    lateRival: fc.option(fc.oneof(onOpenOrder, onPayments, refund), { freq: 2 }),
    refunds: fc.array(refund, { minLength: 1, maxLength: 2 }),
    copies: fc.constantFrom(1, 2),
    gated: fc.boolean(),
  })
  .map(({ create: placed, first, amount: least, rival, lateRival, refunds, copies, gated }): Command[] => {
    const second = first === 'wallet' ? 'provider' : 'wallet';
    const atOnceWith = (one: Single, other: Single | null): Command =>
      other === null
        ? one
        : {
            kind: 'atOnce',
            requests: [one, 'order' in other ? { ...other, order: 0 } : other],
            copies,
            gated,
          };
    const open = (method: PaymentMethod, asked: number | null): Command => ({
      kind: 'openPayment',
      order: 0,
      method,
      amount: asked,
    });
    const settle = { kind: 'settle', order: 0 } as const;
    return [
      { kind: 'deposit', wallet: placed.wallet, amount: 3_000 },
      { ...placed, paymentMode: 'debit', terms: undefined },
      open(first, least),
      open(second, null),
      {
        kind: 'atOnce',
        requests: [
          { kind: 'advance', payment: 0 },
          { kind: 'hear', payment: 0, state: 'authorised' },
        ],
        copies,
        gated,
      },
      atOnceWith(settle, rival),
      { kind: 'advance', payment: 0 },
      atOnceWith({ kind: 'hear', payment: 0, state: 'captured' }, lateRival),
      { kind: 'advance', payment: 0 },
      { kind: 'atOnce', requests: [settle, { kind: 'giveBack', payment: 0 }], copies, gated },
      { kind: 'atOnce', requests: refunds.map((one) => ({ ...one, order: 0 })), copies, gated },
      {
        kind: 'atOnce',
        requests: [
          { kind: 'advance', payment: 0 },
          { kind: 'sendRefund', payment: 0 },
        ],
        copies,
        gated,
      },
    ];
  });

/** Long enough for a late retry to be late, and short enough to be read. */
const LONGEST_CASE = 60;

export const cases: fc.Arbitrary<Command[]> = fc.noBias(
  fc
    .array(
      fc.oneof(
        { weight: 12, arbitrary: anySingle.map((single): Command[] => [single]) },
        { weight: 4, arbitrary: atOnce.map((requests): Command[] => [requests]) },
        { weight: 1, arbitrary: sold },
        { weight: 1, arbitrary: paidInParts },
      ),
      { minLength: 1, maxLength: LONGEST_CASE, size: 'max' },
    )
    .map((commands) => commands.flat()),
);

/** The commands that might replace this one in a shorter case: always simpler, so that shrinking ends. */
export function simplerCommands(command: Command): Command[] {
  if (command.kind !== 'atOnce') return simplerSingles(command);
  const { requests, copies, gated } = command;
  return [
    ...(requests.length * copies === 1 ? requests : []),
    ...(requests.length > 1 ? requests.map((only) => ({ ...command, requests: [only] })) : []),
    ...(copies > 1 ? [{ ...command, copies: 1 }] : []),
    // Behind the gate a race is lost every time, not just sometimes.
    ...(gated ? [] : [{ ...command, gated: true }]),
    ...requests.flatMap((request, index) =>
      simplerSingles(request).map((other) => ({ ...command, requests: requests.with(index, other) })),
    ),
  ];
}

function simplerTerms(given: Terms | undefined): (Terms | undefined)[] {
  if (!given) return [];
  const { adjustments, price, total } = given;
  return [
    undefined,
    ...(adjustments.length > 1 ? adjustments.map((only) => ({ ...given, adjustments: [only] })) : []),
    ...(price === null ? [] : [{ ...given, price: null }]),
    ...(total === null ? [] : [{ ...given, total: null }]),
  ];
}

function simplerSingles(single: Single): Single[] {
  switch (single.kind) {
    case 'create':
    case 'abandon':
      return [
        ...(single.lines.length > 1 ? single.lines.map((line) => ({ ...single, lines: [line] })) : []),
        ...(single.paymentMode === 'hold' ? [{ ...single, paymentMode: 'debit' as const }] : []),
        ...(single.wallet > 0 ? [{ ...single, wallet: 0 }] : []),
        ...simplerTerms(single.terms).map((other) => ({ ...single, terms: other })),
        ...single.lines.flatMap((line, index) =>
          [
            ...(line.quantity > 1 ? [{ ...line, quantity: 1 }] : []),
            ...(line.sku > 0 ? [{ ...line, sku: 0 }] : []),
          ].map((other) => ({ ...single, lines: single.lines.with(index, other) })),
        ),
      ];
    case 'deposit':
      return single.amount > 1 ? [{ ...single, amount: 1 }] : [];
    case 'restock':
      return single.quantity > 1 ? [{ ...single, quantity: 1 }] : [];
    case 'count':
    case 'putSku':
      return [];
    case 'again':
      // A retry names its request by how long ago it was, which changes when others are left out.
      return [
        ...(single.request > 0 ? [{ ...single, request: 0 }] : []),
        { kind: 'pay', order: 0 },
        { kind: 'cancel', order: 0 },
        { kind: 'refund', order: 0, ...ALL_THAT_IS_LEFT },
      ];
    case 'advance':
    case 'hear':
    case 'giveBack':
    case 'sendRefund':
    case 'void':
      return single.payment > 0 ? [{ ...single, payment: 0 }] : [];
    case 'openPayment':
      return [
        ...(single.order > 0 ? [{ ...single, order: 0 }] : []),
        ...(single.amount === null ? [] : [{ ...single, amount: null }]),
        ...(single.method === 'wallet' ? [] : [{ ...single, method: 'wallet' as const }]),
      ];
    case 'pay':
    case 'skipPayment':
    case 'settle':
    case 'extendDeadline':
    case 'cancel':
    case 'expire':
    case 'lateReserve':
      return single.order > 0 ? [{ ...single, order: 0 }] : [];
    case 'refund': {
      const { order: ago, amount, lines } = single;
      const isPart = amount !== null || lines !== null;
      return [
        ...(ago > 0 ? [{ ...single, order: 0 }] : []),
        ...(isPart ? [{ ...single, ...ALL_THAT_IS_LEFT }] : []),
        ...(amount !== null && amount > 1 ? [{ ...single, amount: 1 }] : []),
        ...(lines !== null && lines.length > 1 ? lines.map((line) => ({ ...single, lines: [line] })) : []),
      ];
    }
  }
}
