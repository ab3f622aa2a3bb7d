/** Cases that failed once, as the failure printed them, each with its cause. */
import type { ApiCommand } from './api-commands.ts';
import { ALL_THAT_IS_LEFT, type Command, type Single } from './commands.ts';

export const stepRegressions: readonly (readonly Command[])[] = [
  // A refund that had begun before the payment committed gave the money back and forgot the units.
  [
    { kind: 'create', paymentMode: 'debit', wallet: 0, lines: [{ sku: 0, quantity: 1 }] },
    atOnce({ kind: 'pay', order: 0 }, { kind: 'refund', order: 0, ...ALL_THAT_IS_LEFT }),
  ],
  // PostgreSQL checks a row's constraints before it sees that the row has changed since the statement's snapshot: what was
  // right on the locked rows (a hold out of a deposit, units out of a restock or a release, a payment out of a deposit)
  // was refused on the old ones.
  [
    atOnce(
      { kind: 'deposit', wallet: 0, amount: 1_000 },
      { kind: 'create', paymentMode: 'hold', wallet: 0, lines: [{ sku: 0, quantity: 8 }] },
    ),
  ],
  [
    atOnce(
      { kind: 'restock', sku: 0, quantity: 4 },
      { kind: 'create', paymentMode: 'debit', wallet: 0, lines: [{ sku: 0, quantity: 12 }] },
    ),
  ],
  [
    { kind: 'create', paymentMode: 'debit', wallet: 0, lines: [{ sku: 0, quantity: 8 }] },
    atOnce(
      { kind: 'cancel', order: 0 },
      { kind: 'create', paymentMode: 'debit', wallet: 0, lines: [{ sku: 0, quantity: 8 }] },
    ),
  ],
  [
    { kind: 'create', paymentMode: 'debit', wallet: 0, lines: [{ sku: 0, quantity: 8 }] },
    atOnce({ kind: 'deposit', wallet: 0, amount: 1_000 }, { kind: 'pay', order: 0 }),
  ],
  // Payments had a number, counted on the statement's snapshot: of several at once one lost the number twice, and failed.
  [
    { kind: 'create', paymentMode: 'debit', wallet: 0, lines: [{ sku: 0, quantity: 1 }] },
    { ...atOnce({ kind: 'pay', order: 0 }, { kind: 'pay', order: 0 }), copies: 2 },
  ],
  // An order that ends while it takes a payment by wallet lets go of its money at once: a rule took that for damage.
  [
    { kind: 'create', paymentMode: 'debit', wallet: 0, lines: [{ sku: 0, quantity: 1 }] },
    { kind: 'openPayment', order: 0, method: 'wallet', amount: null },
    { kind: 'advance', payment: 0 },
    { kind: 'settle', order: 0 },
    { kind: 'cancel', order: 0 },
  ],
  // A wallet answers at once: the deadline is not put off for it, which the model did not know.
  [
    { kind: 'create', paymentMode: 'debit', wallet: 0, lines: [{ sku: 0, quantity: 1 }] },
    { kind: 'openPayment', order: 0, method: 'wallet', amount: null },
    { kind: 'extendDeadline', order: 0 },
  ],
];

export const apiRegressions: readonly (readonly ApiCommand[])[] = [];

/** Behind the gate a race is lost every time. */
function atOnce(...requests: Single[]) {
  return { kind: 'atOnce', requests, copies: 1, gated: true } as const satisfies Command;
}
