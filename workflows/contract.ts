/**
 * What the rest of the system knows of the workflows: their names, what goes in, and what comes back.
 * No code of a workflow is here, so that the API can import it.
 */
import { defineQuery, defineUpdate } from '@temporalio/workflow';
import type { Stage } from './life.ts';

export const WORKFLOW = {
  order: 'order',
  refund: 'refund',
  reconcile: 'reconcile',
  stats: 'stats',
  monitor: 'monitor',
  deliverAlerts: 'deliverAlerts',
} as const;

/** Fixed, so that starting the same order twice finds the first start. */
export const orderWorkflowId = (orderId: string): string => `order-${orderId}`;
/** One id per order: a second refund of the same order cannot run. */
export const refundWorkflowId = (orderId: string): string => `refund-${orderId}`;

export const PAYMENT_MODES = ['debit', 'hold'] as const;
/** `debit`: money is taken when the buyer pays. `hold`: it is held with the stock and captured when the buyer pays. */
export type PaymentMode = (typeof PAYMENT_MODES)[number];

export const STEPS = ['reserve', 'abandon', 'pay', 'decline', 'release', 'refund'] as const;
/** One effect of an order on the database; `(order id, step)` is its idempotency key, and for a payment `(order id, command id)`. */
export type Step = (typeof STEPS)[number];

/** Why an order was rejected, in the order in which the reserve step looks. */
export const REJECTION_REASONS = [
  'unknown_wallet',
  'unknown_sku',
  'currency_mismatch',
  'out_of_stock',
  'insufficient_funds',
] as const;
export type RejectionReason = (typeof REJECTION_REASONS)[number];

/** Why a command was refused; nothing was changed. */
export const REFUSAL_REASONS = [
  'insufficient_funds',
  'order_not_payable',
  'order_not_cancellable',
  'order_not_refundable',
  'order_expired',
  'order_cancelled',
  'order_busy',
  'too_many_refused_payments',
] as const;
export type RefusalReason = (typeof REFUSAL_REASONS)[number];

/** The reason that a payment carries whose key was taken because a person skipped it; nothing moved, nor will. */
export const PAYMENT_SKIPPED = 'payment_skipped';

/**
 * How many payments of one order are let through. Every payment that reaches the workflow stays in its history: after 2,000 Temporal
 * refuses every further command of the order, and long before that a replay takes seconds.
 */
export const PAYMENT_LIMITS = {
  /** Refused payments after which the API lets only a payment through that the wallet can cover. */
  refused: 20,
  /** The same in the workflow. Higher: several API processes may each let one more through than they mean to. */
  refusedByWorkflow: 40,
  /** Refused payments after which the workflow takes none, not even one that the wallet could cover a moment ago. */
  refusedAtAll: 250,
  /**
   * Accepted payments that wait for their turn. Temporal takes ten updates of one workflow at once; the others are left to cancel and
   * to operators.
   */
  waiting: 3,
} as const;

/** What an operator has to look at: the step that keeps failing, or a wallet at its limit, into which a refund does not fit. */
export const ATTENTION_REASONS = [
  'reservation_failing',
  'payment_failing',
  'compensation_failing',
  'refund_failing',
  'wallet_full',
] as const;
export type AttentionReason = (typeof ATTENTION_REASONS)[number];

/** Why a refund has to wait, as its step answers and its attention mark says. */
export const WALLET_FULL = 'wallet_full' satisfies AttentionReason;

export const ATTENTION_REASON: Readonly<Record<Step, AttentionReason>> = {
  reserve: 'reservation_failing',
  abandon: 'compensation_failing',
  pay: 'payment_failing',
  decline: 'compensation_failing',
  release: 'compensation_failing',
  refund: 'refund_failing',
};

export const INTERVENTION_ACTIONS = ['retry_now', 'skip_step', 'give_up'] as const;
/** What a person may do to an order. */
export type InterventionAction = (typeof INTERVENTION_ACTIONS)[number];

/** Why what somebody sent by hand was refused. */
export const BY_HAND_REFUSALS = [
  'malformed',
  'unsigned',
  'nothing_failing',
  'not_skippable',
  'not_open',
] as const;
export type ByHandRefusal = (typeof BY_HAND_REFUSALS)[number];

/** The reason that an order carries when its window ended, beside the caller's own words for cancel and refund. */
export const WINDOW_ENDED = 'payment_window_ended';
/** The reason that an order carries when it was cancelled with `handle.cancel()`, the Web UI's Cancel button. */
export const CANCELLED_IN_TEMPORAL = 'cancelled_in_temporal';

export interface OrderLine {
  sku: string;
  quantity: number;
}

export interface OrderInput {
  orderId: string;
  buyerId: string;
  walletId: string;
  /** One line per SKU, in SKU order. */
  lines: OrderLine[];
  paymentMode: PaymentMode;
  /** Milliseconds from the order's start to its deadline. */
  paymentWindow: number;
  /** Milliseconds that a step may keep failing before a person has to look. Left out by orders from before 0.2. */
  attentionAfter?: number;
  /** ISO 8601: the deadline that was told, when the workflow of an order that is open already is started again. */
  deadline?: string;
  /** {@link ORDER_RULES} when the order began. Left out by orders from before 0.4. */
  rules?: number;
}

/** The rules by which an order begins now. What an order's code does depends on its input, so older orders keep theirs. */
export const ORDER_RULES = 4;

export interface OrderEnd {
  stage: Stage;
  reason: string | null;
}

export interface RefundInput {
  orderId: string;
  /** The command that asked for it: tells a repeated refund from a second one. Null for the Web UI's Cancel. */
  commandId: string | null;
  reason: string;
  /** Whether the units go back on hand. */
  restock: boolean;
  /** As in {@link OrderInput}. */
  attentionAfter?: number;
}

export interface RefundEnd extends OrderEnd {
  /** The command whose refund this is; another command's refund of the same order was refused. */
  commandId: string | null;
}

/** Answers once the reservation is decided. */
export interface PlaceAnswer {
  stage: Stage;
  reason: string | null;
}

export interface PayCommand {
  commandId: string;
  /** Whether the wallet could cover the payment when the API looked, just before. */
  funded?: boolean;
}

export interface CancelCommand {
  commandId: string;
  reason: string;
}

export interface CommandAnswer {
  /** `refunding` when the refund has to wait for room in the wallet. */
  stage: Stage;
  /** Set when the command was carried out and refused in the end (a payment without funds). */
  refusal: RefusalReason | null;
}

/** How far a refund is: `refunding` when it has to wait for room in the wallet. */
export interface RefundAnswer {
  stage: Stage;
}

/** A mark on an order that a person has to look at. Times are ISO 8601. */
export interface Attention {
  reason: AttentionReason;
  /** The step that keeps failing, while it goes on being tried. */
  step: Step;
  raisedAt: string;
}

/** Every intervention is signed. Both are kept, and shown to whoever looks at the order. */
export interface Intervention {
  /** Who acts: 1 to 200 characters. */
  actor: string;
  /** Why: 1 to 500 characters. */
  reason: string;
}

export interface SkipStep extends Intervention {
  /** Named, so that nobody skips another step than the one that was looked at. */
  step: Step;
}

export interface InterventionAnswer {
  stage: Stage;
  /** The step that was acted on; null when none was failing. */
  step: Step | null;
}

/** What an operator sees of an order that has not ended. Times are ISO 8601. */
export interface OrderView {
  stage: Stage;
  deadline: string;
  payAttempts: number;
  /** The step that failed and is being tried again. */
  failing: Step | null;
  attention: Attention | null;
}

/** What an operator sees of a refund. */
export interface RefundView extends Pick<OrderView, 'failing' | 'attention'> {
  stage: 'refunding';
}

/** What reconciliation looks for, in the order in which it looks. */
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
] as const;
export type FindingKind = (typeof FINDING_KINDS)[number];

export interface ReconcileInput {
  /** Whether counters and figures are set to what they sum. What an order holds is given back in any case. */
  repairCounters: boolean;
}

/** How many rows or workflows were looked at, and how many of them were found wrong and repaired. */
export interface ReconcileEnd {
  looked: number;
  found: number;
  repaired: number;
}

export interface StatsEnd {
  /** Events that were added to the shop's figures. */
  counted: number;
}

/** What the monitor measures each minute. */
export const MEASURES = [
  'orders_past_deadline',
  'orders_pending_long',
  'busy_buyers',
  'stock_anomalies',
  'payment_failure_rate',
  'order_latency_p99',
  'database_connections',
  'abnormal_orders',
  'order_success',
] as const;
export type Measure = (typeof MEASURES)[number];

/** On which side of its threshold a measure opens an alert. On the threshold it does not. */
export const ALERT_WHEN: Readonly<Record<Measure, 'above' | 'below'>> = {
  orders_past_deadline: 'above',
  orders_pending_long: 'above',
  busy_buyers: 'above',
  stock_anomalies: 'above',
  payment_failure_rate: 'above',
  order_latency_p99: 'above',
  database_connections: 'above',
  abnormal_orders: 'above',
  order_success: 'below',
};

export const ALERT_EVENTS = ['opened', 'closed'] as const;
/** What a receiver is told of an alert. */
export type AlertEvent = (typeof ALERT_EVENTS)[number];

/** What a run of the monitor measured, and which of it is on the wrong side of its threshold. */
export interface MonitorEnd {
  measured: number;
  crossed: Measure[];
}

export interface DeliverInput {
  /** Whose alerts are told: one workflow for each measure, so that they arrive in order. */
  name: Measure;
}

export interface DeliverEnd {
  delivered: number;
}

/** One delivery for each measure and deployment, of which a namespace may have several. */
export const deliverWorkflowId = (taskQueue: string, name: Measure): string => `alerts-${taskQueue}-${name}`;

export const placeUpdate = defineUpdate<PlaceAnswer>('place');
export const payUpdate = defineUpdate<CommandAnswer, [PayCommand]>('pay');
export const cancelUpdate = defineUpdate<CommandAnswer, [CancelCommand]>('cancel');
/** Answers once the refund is made, or has to wait. */
export const refundUpdate = defineUpdate<RefundAnswer>('refund');
export const retryNowUpdate = defineUpdate<InterventionAnswer, [Intervention]>('retryNow');
export const skipStepUpdate = defineUpdate<InterventionAnswer, [SkipStep]>('skipStep');
export const giveUpUpdate = defineUpdate<InterventionAnswer, [Intervention]>('giveUp');
export const orderQuery = defineQuery<OrderView>('order');
export const refundQuery = defineQuery<RefundView>('refund');
