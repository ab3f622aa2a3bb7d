/** The words for what reconciliation finds: one kind for each way in which a rule can be broken. */

/** In the order in which reconciliation runs their detectors. */
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
  'look_failed',
] as const;
export type FindingKind = (typeof FINDING_KINDS)[number];

/** What a run of reconciliation goes through. `look_failed` is what it finds when a detector itself fails. */
export type LookKind = Exclude<FindingKind, 'look_failed'>;
export const LOOK_KINDS = FINDING_KINDS.filter((kind): kind is LookKind => kind !== 'look_failed');

/** How many rows or workflows were looked at, and how many of them were found wrong and repaired. */
export interface ReconcileEnd {
  looked: number;
  found: number;
  repaired: number;
}
