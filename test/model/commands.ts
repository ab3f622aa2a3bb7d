/**
 * The commands of a case, as plain data, so that a failing case can be shrunk and printed. A command names things by how
 * long ago they appeared (order 0 is the newest), so that it keeps its meaning when others are left out.
 */
import * as fc from 'fast-check';

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

/** Long enough for a late retry to be late, and short enough to be read. */
const LONGEST_CASE = 60;

export const cases: fc.Arbitrary<Command[]> = fc.noBias(
  fc
    .array(
      fc.oneof(
        { weight: 12, arbitrary: anySingle.map((single): Command[] => [single]) },
        { weight: 4, arbitrary: atOnce.map((requests): Command[] => [requests]) },
        { weight: 1, arbitrary: sold },
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
    case 'pay':
    case 'skipPayment':
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
