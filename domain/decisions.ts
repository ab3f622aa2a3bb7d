/** What a person may decide about a finding, and why something is not theirs to decide. */
import type { FindingKind } from './rules.ts';

/** Recorded, so the names stay. */
export const CHOICES = [
  'record_again',
  'record_cancelled',
  'restore_order',
  'stop_workflow',
  'restart_workflow',
  'expire_order',
  'cancel_order',
  'mark_paid',
  'take_money',
  'book_payment',
  'reconnect_payment',
  'let_shop_pay',
  'follow_events',
  'follow_stage',
  'complete_rows',
  'recount_payment',
  'accept',
] as const;
export type Choice = (typeof CHOICES)[number];

/** A repair that an admin asked for is recorded as a decision, too. */
export const REPAIR = 'repair';
export const DECIDED = [...CHOICES, REPAIR] as const;
export type Decided = (typeof DECIDED)[number];

/** What each does, for the person who chooses. */
export const WHAT_IT_DOES: Readonly<Record<Choice, string>> = {
  record_again:
    'Reserves the order again as it was placed, with the deadline its caller was given. Its workflow goes on with it.',
  record_cancelled:
    'Records the order as cancelled, with nothing held and nothing paid, and stops its workflow. Its caller finds it cancelled, with your reason.',
  restore_order:
    "Records the order's row again, from what its caller was answered and from its own events. Nothing else changes.",
  stop_workflow: 'Terminates the workflow in Temporal. What is recorded of the order stays as it is.',
  restart_workflow:
    'Terminates the workflow in Temporal and starts it again, with the deadline its caller was given. A cancel that it had accepted is sent to the new run.',
  expire_order:
    'Ends the order as expired: its units and its money are released, and payments that secured it are given back.',
  cancel_order:
    'Ends the order as cancelled, with your reason: its units and its money are released, and what was taken for it is given back.',
  mark_paid: 'Makes the order paid by the money that was taken for it: its units are sold.',
  take_money: 'Takes the money for the order now: from its wallet, or from what its payments brought in.',
  book_payment:
    "Records the payment that the wallet's balance already shows and the ledger lacks. The balance stays as it is.",
  reconnect_payment:
    'Records the transfer whose legs are in the ledger and which itself is gone, as the payment of this order.',
  let_shop_pay:
    'Lets the shop bear the cost: deposits the price into the wallet from `funding`, and pays the order with it. The balance stays as it is.',
  follow_events:
    'Sets the order to the stage of its last event, and releases, sells or gives back what does not belong to that stage.',
  follow_stage:
    'Keeps the stage of the order, records the event that leads there, and releases, sells or gives back what does not belong to that stage.',
  complete_rows:
    'Adds the rows that are missing and that the others prove: steps, events, reservations, a hold, and what the order counts as refunded.',
  recount_payment: 'Sets what the payment counts as refunded to what its refunds owe and sent.',
  accept: 'Ends the finding, and changes nothing else. The same finding is not opened again.',
};

/** In the order in which a person should think of them. Every kind has `accept`, which is mostly refused. */
const PARTICULAR: Readonly<Partial<Record<FindingKind, readonly Choice[]>>> = {
  order_missing: ['record_again', 'record_cancelled', 'stop_workflow'],
  order_lost: ['record_again', 'record_cancelled', 'restore_order'],
  order_overdue: ['restart_workflow', 'expire_order'],
  money_taken_without_payment: ['mark_paid', 'cancel_order', 'record_cancelled'],
  paid_without_money: ['reconnect_payment', 'book_payment', 'take_money', 'let_shop_pay', 'follow_events'],
  order_inconsistent: [
    'complete_rows',
    'follow_events',
    'follow_stage',
    'restore_order',
    'record_cancelled',
    'cancel_order',
  ],
  payment_inconsistent: ['recount_payment'],
};

export const choicesOf = (kind: FindingKind): readonly Choice[] => [...(PARTICULAR[kind] ?? []), 'accept'];

/** Choices that need nothing but Temporal: no row of an order changes. */
export const OF_WORKFLOW: ReadonlySet<Choice> = new Set(['stop_workflow', 'restart_workflow']);

const BREAKS = 'The rule would stay broken.';
const REPAIRED = 'Reconciliation repairs it by itself: ask for the repair now, or wait for the next run.';
const ON_REQUEST = 'Ask for the repair instead: it sets the counters to what they sum.';

/** Why a finding of a kind cannot be accepted as it is, and what to do instead; null when it can be. */
export const NOT_ACCEPTED: Readonly<Record<FindingKind, string | null>> = {
  workflow_missing: REPAIRED,
  workflow_failed:
    'The buyer was promised the refund. Reconciliation begins it again; one whose events are no longer kept has to be deposited.',
  units_held_by_closed_order: REPAIRED,
  money_held_by_closed_order: REPAIRED,
  stock_counter_wrong: ON_REQUEST,
  wallet_counter_wrong: ON_REQUEST,
  stats_wrong: 'Ask for the repair instead: it sets the figures to what their events sum.',
  order_missing: BREAKS,
  order_lost: BREAKS,
  order_overdue: BREAKS,
  money_taken_without_payment: BREAKS,
  paid_without_money: BREAKS,
  order_inconsistent: BREAKS,
  payment_inconsistent: `${BREAKS} If a provider's book shows what happened, resolve the payment.`,
  payment_unreturned:
    'The buyer is owed the money. The workflow of the payment goes on trying: retry it now, or say how the payment stands with POST /v1/payments/{id}/resolve.',
  transfer_unbalanced:
    'Entries and transfers never change. If the payment of an order is gone, decide on the finding of the order; otherwise restore what is missing from a backup.',
  payment_unmatched: null,
  look_failed: 'Nobody knows whether the rule holds there. It is gone once the inspection succeeds again.',
  audit_broken:
    'Put the rows back from an export or a backup. It is gone after the next run that seals the audit.',
};
