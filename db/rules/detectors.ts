/** The detectors of the tables, by the kind of their findings. */
import { FINDING_KINDS, type DetectedKind, type FindingKind } from '../../domain/rules.ts';
import type { Queryable } from '../postgres.ts';
import type { Finding } from '../findings.ts';
import { overdueOrders } from './deadlines.ts';
import type { Detector, Inspected, Page } from './detector.ts';
import { lostOrders } from './idempotency-keys.ts';
import { moneyHeldByClosedOrders, transferLegs, walletCounters } from './money.ts';
import { consistentOrders } from './orders.ts';
import { consistentPayments } from './payment-rows.ts';
import { moneyTakenWithoutPayment, paidWithoutMoney } from './payments.ts';
import { stockCounters, unitsHeldByClosedOrders } from './stock.ts';
import { unmatchedPayments, unreturnedPayments } from './unused-payments.ts';

/** Kinds whose detector also asks Temporal. */
export type TemporalKind = 'workflow_missing' | 'order_missing' | 'workflow_failed';
/** Kinds that are detected in tables alone. Figures are compared day by day; see db/stats/compare.ts. */
export type TableKind = Exclude<DetectedKind, TemporalKind | 'stats_wrong'>;

const DETECTORS: Readonly<Record<TableKind, Detector>> = {
  order_overdue: overdueOrders,
  units_held_by_closed_order: unitsHeldByClosedOrders,
  money_held_by_closed_order: moneyHeldByClosedOrders,
  money_taken_without_payment: moneyTakenWithoutPayment,
  paid_without_money: paidWithoutMoney,
  stock_counter_wrong: stockCounters,
  wallet_counter_wrong: walletCounters,
  order_inconsistent: consistentOrders,
  order_lost: lostOrders,
  transfer_unbalanced: transferLegs,
  payment_inconsistent: consistentPayments,
  payment_unreturned: unreturnedPayments,
  payment_unmatched: unmatchedPayments,
};

export const isTableKind = (kind: FindingKind): kind is TableKind => Object.hasOwn(DETECTORS, kind);
export const TABLE_KINDS = FINDING_KINDS.filter(isTableKind);

export const inspect = (sql: Queryable, kind: TableKind, page: Page): PromiseLike<readonly Inspected[]> =>
  DETECTORS[kind].inspect(sql, page);

/** The subject of the next row, without judging it; null after the last. */
export async function nextSubject(
  sql: Queryable,
  kind: TableKind,
  after: string | null,
): Promise<string | null> {
  const [next] = await sql<{ subject: string }[]>`
    select subject::text from (${DETECTORS[kind].page(sql, { after, limit: 1 })}) as page
  `;
  return next?.subject ?? null;
}

/** What is wrong with a row, and the rules that it breaks; absent when it breaks every rule that its detector proves. */
export type Detected = Finding & Pick<Inspected, 'breaks'>;

export const toDetected = (rows: readonly Inspected[]): Detected[] =>
  rows.flatMap(({ finding, ...row }) => (finding === null ? [] : [{ ...row, finding }]));

/** Everything that a detector finds, page by page. */
export async function detectAll(
  sql: Queryable,
  kind: TableKind,
  { now, limit }: Pick<Page, 'now' | 'limit'>,
): Promise<Detected[]> {
  const detected: Detected[] = [];
  for (let after: string | null = null; ;) {
    const rows: readonly Inspected[] = await inspect(sql, kind, { after, now, limit });
    detected.push(...toDetected(rows));
    if (rows.length < limit) return detected;
    after = rows.at(-1)?.subject ?? null;
  }
}
