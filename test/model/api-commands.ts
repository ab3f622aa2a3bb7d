/** The commands of an API case: calls, and time that passes. As in commands.ts, order 0 is the newest. */
import * as fc from 'fast-check';
import { partOf, type RefundedPart } from './commands.ts';

export type ApiSingle =
  | {
      kind: 'create';
      paymentMode: 'debit' | 'hold';
      wallet: number;
      lines: { sku: number; quantity: number }[];
      pay: boolean;
    }
  | { kind: 'pay'; order: number }
  | { kind: 'cancel'; order: number }
  | ({ kind: 'refund'; order: number } & RefundedPart)
  | { kind: 'deposit'; wallet: number; amount: number }
  | { kind: 'restock'; sku: number; quantity: number }
  /** Half of the payment window passes for an order. */
  | { kind: 'halfWindow'; order: number }
  /** An earlier call once more, with its key. */
  | { kind: 'again'; call: number };

export type ApiCommand = ApiSingle | { kind: 'atOnce'; calls: ApiSingle[]; copies: number };

const order = fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.nat(4));
const some = fc.nat(1);
const quantity = fc.integer({ min: 1, max: 4 });
const kind = <K extends string>(name: K) => fc.constant(name);

const create = fc.record({
  kind: kind('create'),
  paymentMode: fc.constantFrom('debit' as const, 'hold' as const),
  wallet: some,
  lines: fc.array(fc.record({ sku: some, quantity }), { minLength: 1, maxLength: 2 }),
  pay: fc.boolean(),
});

const single: fc.Arbitrary<ApiSingle> = fc.oneof(
  { weight: 5, arbitrary: create },
  { weight: 5, arbitrary: fc.record({ kind: kind('pay'), order }) },
  { weight: 2, arbitrary: fc.record({ kind: kind('cancel'), order }) },
  {
    weight: 3,
    arbitrary: fc
      .record({ kind: kind('refund'), order, part: partOf(some) })
      .map(({ part, ...call }) => ({ ...call, ...part })),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: kind('deposit'), wallet: some, amount: fc.integer({ min: 1, max: 2_000 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: kind('restock'), sku: some, quantity }) },
  { weight: 2, arbitrary: fc.record({ kind: kind('halfWindow'), order }) },
  { weight: 2, arbitrary: fc.record({ kind: kind('again'), call: fc.nat(8) }) },
);

const atOnce = fc.oneof(
  fc.record({ kind: kind('atOnce'), calls: fc.tuple(single, single), copies: fc.constant(1) }),
  fc.record({ kind: kind('atOnce'), calls: fc.tuple(single), copies: fc.constant(2) }),
);

export const apiCases: fc.Arbitrary<ApiCommand[]> = fc.noBias(
  fc.array(fc.oneof({ weight: 3, arbitrary: single }, { weight: 1, arbitrary: atOnce }), {
    minLength: 1,
    maxLength: 25,
    size: 'max',
  }),
);

/** As in commands.ts: always simpler. */
export function simplerApiCommands(command: ApiCommand): ApiCommand[] {
  if (command.kind === 'atOnce') {
    const { calls, copies } = command;
    if (calls.length === 1) return copies === 1 ? calls : [{ ...command, copies: 1 }];
    return calls.map((call) => ({ ...command, calls: [call] }));
  }
  if (command.kind === 'again')
    return [
      { kind: 'pay', order: 0 },
      { kind: 'cancel', order: 0 },
      ...smaller(command.call, (call) => ({ ...command, call })),
    ];
  if ('order' in command) return smaller(command.order, (newer) => ({ ...command, order: newer }));
  return [];
}

const smaller = (index: number, make: (index: number) => ApiCommand): ApiCommand[] =>
  index > 0 ? [make(0)] : [];
