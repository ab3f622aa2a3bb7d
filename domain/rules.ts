/** The words for what reconciliation finds: one kind for each way to break a rule. */

/** In the order in which reconciliation runs their detectors. Recorded, so the names stay. */
export const FINDING_KINDS = [
  'workflow_missing',
  'order_missing',
  'order_overdue',
  'units_held_by_closed_order',
  'money_held_by_closed_order',
  'money_taken_without_payment',
  'paid_without_money',
  'stock_counter_wrong',
  'wallet_counter_wrong',
  'stats_wrong',
  'order_inconsistent',
  'order_lost',
  'transfer_unbalanced',
  'workflow_failed',
  'payment_inconsistent',
  'payment_unreturned',
  'payment_unmatched',
  'look_failed',
  'audit_broken',
] as const;
export type FindingKind = (typeof FINDING_KINDS)[number];

/**
 * The kinds that have a detector. `look_failed` says that a detector itself failed; `audit_broken` is found by the runs that seal the
 * audit, which alone know what it was before.
 */
export type DetectedKind = Exclude<FindingKind, 'look_failed' | 'audit_broken'>;
export const DETECTED_KINDS = FINDING_KINDS.filter(
  (kind): kind is DetectedKind => kind !== 'look_failed' && kind !== 'audit_broken',
);

/** How many rows or workflows a run inspected, how many of them were wrong, and how many of those it repaired. */
export interface ReconcileEnd {
  looked: number;
  found: number;
  repaired: number;
}
