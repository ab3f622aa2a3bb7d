/** The rules that always hold (docs/operations.md#the-rules), and the detectors that prove each. */
import { messageOf } from '../../process/redaction.ts';
import type { Queryable } from '../postgres.ts';
import { detectAll, isTableKind, type Detected, type TableKind, type TemporalKind } from './detectors.ts';

/** Kinds whose detectors prove a rule. The shop's figures have none. */
export type ProvingKind = TableKind | TemporalKind;

export interface Rule {
  /** As in docs/operations.md#the-rules. */
  number: number;
  name: string;
  provenBy: readonly ProvingKind[];
}

export const RULES: readonly Rule[] = [
  {
    number: 1,
    name: '0 <= reserved <= on hand, and reserved is the sum of the held reservations',
    provenBy: ['stock_counter_wrong'],
  },
  {
    number: 2,
    name: 'units are conserved: what came in, or came back by refunds, is on hand or consumed',
    provenBy: ['stock_counter_wrong', 'order_inconsistent'],
  },
  {
    number: 3,
    name: 'every order has the step that decided it and its lines, and while it holds or has sold them one reservation for each',
    provenBy: ['order_inconsistent'],
  },
  {
    number: 4,
    name: 'the legs of every transfer sum to zero, and so does the ledger, per currency',
    provenBy: ['transfer_unbalanced'],
  },
  {
    number: 5,
    name: 'posted is the sum of a wallet\u2019s entries, held the sum of its live holds, and it was never overdrawn',
    provenBy: ['wallet_counter_wrong', 'transfer_unbalanced', 'order_inconsistent'],
  },
  {
    number: 6,
    name: 'an order\u2019s total is what its lines and adjustments come to; one debit or capture for a paid order, of its total and its mode or of its payments, none that is kept for any other; it counts what its payments secure; its refunds never exceed it, nor its units',
    provenBy: ['paid_without_money', 'money_taken_without_payment', 'order_inconsistent'],
  },
  {
    number: 7,
    name: 'reservations and holds are where their order is: held while open, consumed when paid, given back otherwise',
    provenBy: ['units_held_by_closed_order', 'money_held_by_closed_order', 'order_inconsistent'],
  },
  {
    number: 8,
    name: 'every open order has exactly one running workflow, the other way round, and no promised refund is lost',
    provenBy: ['workflow_missing', 'order_missing', 'workflow_failed'],
  },
  {
    number: 9,
    name: 'an order\u2019s events are a path of the stage table with gapless versions, and end where the order is',
    provenBy: ['order_inconsistent'],
  },
  {
    number: 10,
    name: 'an order id that a caller was given is in the database',
    provenBy: ['order_lost'],
  },
  { number: 11, name: 'no unpaid order waits past its deadline', provenBy: ['order_overdue'] },
  {
    number: 12,
    name: 'a payment\u2019s events are a path of its states; its money was received once when it was captured, and what went back is what it owed',
    provenBy: ['payment_inconsistent'],
  },
  {
    number: 13,
    name: 'money of a payment that its order does not use, or no longer, is given back within the hour',
    provenBy: ['payment_unreturned'],
  },
];

/** What breaks a rule: a row, and a sentence with the values that disagree. */
export interface Breach {
  subject: string;
  finding: string;
}

export interface RuleReport {
  rule: Rule;
  breaches: readonly Breach[];
}

/** What is found by a detector, or why it failed. */
export type Outcome = readonly Detected[] | Error;

/** What a detector's subjects are. */
const SUBJECTS: Readonly<Record<ProvingKind, string>> = {
  workflow_missing: 'order',
  order_missing: 'order',
  order_overdue: 'order',
  units_held_by_closed_order: 'SKU/order',
  money_held_by_closed_order: 'wallet/order/payment',
  money_taken_without_payment: 'order',
  paid_without_money: 'order',
  stock_counter_wrong: 'SKU',
  wallet_counter_wrong: 'wallet',
  order_inconsistent: 'order',
  order_lost: 'order',
  transfer_unbalanced: 'transfer',
  workflow_failed: 'order/refund',
  payment_inconsistent: 'payment',
  payment_unreturned: 'payment',
  payment_unmatched: 'reference',
};

/** Sorts what the detectors found by the rules that it breaks. A rule that could not be checked is not known to hold. */
export const reportRules = (
  rules: readonly Rule[],
  outcomes: ReadonlyMap<ProvingKind, Outcome>,
): RuleReport[] =>
  rules.map((rule) => ({
    rule,
    breaches: rule.provenBy.flatMap((kind) => {
      const outcome = outcomes.get(kind) ?? new Error(`${kind} was not inspected`);
      if (outcome instanceof Error)
        return [{ subject: 'the rule', finding: `could not be checked: ${messageOf(outcome)}` }];
      return outcome
        .filter(({ breaks = [rule.number] }) => breaks.includes(rule.number))
        .map(({ subject, finding }) => ({ subject: `${SUBJECTS[kind]} ${subject}`, finding }));
    }),
  }));

/** The rules that tables alone prove, at any time: rule 8 also needs Temporal, and rules 11 and 13 the time. */
export const RULES_OF_TABLES = RULES.filter(
  ({ number, provenBy }) => number !== 11 && number !== 13 && provenBy.every(isTableKind),
);

/** Well within a statement's time-out, also on a busy database. */
export const PAGE_ROWS = 500;

/** Checks rules of tables, all detectors at once. The connection decides how long a page may take. */
export async function checkRules(
  sql: Queryable,
  rules: readonly Rule[] = RULES_OF_TABLES,
): Promise<RuleReport[]> {
  const now = new Date().toISOString();
  const kinds = new Set(rules.flatMap(({ provenBy }) => provenBy).filter(isTableKind));
  const outcomes = await Promise.all(
    [...kinds].map(async (kind): Promise<[ProvingKind, Outcome]> => [
      kind,
      await orError(detectAll(sql, kind, { now, limit: PAGE_ROWS })),
    ]),
  );
  return reportRules(rules, new Map(outcomes));
}

/** Makes a failure a value, so that it fails only the rules that needed the work. */
export async function orError<T>(work: Promise<T>): Promise<T | Error> {
  try {
    return await work;
  } catch (error) {
    return error instanceof Error ? error : new Error(messageOf(error));
  }
}
