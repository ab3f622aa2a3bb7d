/** The words of an order: what is ordered, how it is paid, its steps, and why it was rejected or a command refused. */

export const PAYMENT_MODES = ['debit', 'hold'] as const;
/** `debit`: the wallet is debited when the buyer pays. `hold`: the money is held with the stock and captured when the buyer pays. */
export type PaymentMode = (typeof PAYMENT_MODES)[number];

export interface OrderLine {
  sku: string;
  quantity: number;
  /** What the buyer was shown, in minor units. Another price in the catalogue rejects the order. */
  expectedPrice?: number;
}

export const ADJUSTMENT_KINDS = ['discount', 'tax', 'shipping', 'fee'] as const;
export type AdjustmentKind = (typeof ADJUSTMENT_KINDS)[number];

/** What the shop takes off an order or adds to it besides its lines. Holdfast adds it up, and knows no rates and no rules. */
export interface Adjustment {
  kind: AdjustmentKind;
  label: string;
  /** In minor units: below zero for a discount, above zero for everything else. */
  amount: number;
  /** The line that it is about; left out when it is about the whole order. */
  sku?: string;
}

/** How many adjustments an order may have. */
export const ADJUSTMENTS_LIMIT = 50;

export interface Money {
  /** In minor units. */
  amount: number;
  currency: string;
}

/** What a buyer orders. The same in the call that places the order, in its workflow and in the step that reserves it. */
export interface OrderContents {
  /** Absent for {@link MAIN_SHOP}: orders from before there were shops name none. */
  shopId?: string;
  buyerId: string;
  walletId: string;
  lines: readonly OrderLine[];
  paymentMode: PaymentMode;
  adjustments?: readonly Adjustment[];
  /** What the caller's own sum came to. Another one rejects the order. */
  expectedTotal?: Money;
}

export const STEPS = [
  'reserve',
  'abandon',
  'pay',
  'decline',
  'openPayment',
  'settle',
  'extendDeadline',
  'release',
  'refund',
] as const;
/**
 * One effect of an order on the database. Its idempotency key is `(order id, step)`, and for a payment or a refund with its command's id.
 * `abandon` cancels a reservation that was not answered, `decline` skips a payment: the names are in histories and stay.
 */
export type Step = (typeof STEPS)[number];

/** Why an order was rejected, in the order in which the reserve step checks it. */
export const REJECTION_REASONS = [
  'unknown_wallet',
  'wallet_not_allowed',
  'unknown_sku',
  'currency_mismatch',
  'price_changed',
  'total_limit_exceeded',
  'total_not_positive',
  'total_mismatch',
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
  'refund_exceeds_payment',
  'refund_exceeds_units',
  'sku_not_in_order',
  'order_too_old',
  'order_expired',
  'order_cancelled',
  'order_busy',
  'order_has_payments',
  'payment_exceeds_total',
  'payment_declined',
  'too_many_payments',
  'too_many_refused_payments',
] as const;
export type RefusalReason = (typeof REFUSAL_REASONS)[number];

/** Why a paid order is not refunded: its events are no longer kept, so that no further one can be recorded. */
export const ORDER_TOO_OLD = 'order_too_old' satisfies RefusalReason;

/** Recorded for a payment that a person skipped: its key is taken, so no money has moved, and none will. */
export const PAYMENT_SKIPPED = 'payment_skipped';

/** The reason of an order whose window ended. The reason of a cancel or a refund is the caller's own words. */
export const WINDOW_ENDED = 'payment_window_ended';
/** The reason of an order that was cancelled with `handle.cancel()`, the Web UI's Cancel button. */
export const CANCELLED_IN_TEMPORAL = 'cancelled_in_temporal';

/**
 * How many payments of one order are accepted. Every payment that reaches the workflow stays in its history: after 2,000 updates
 * Temporal refuses every further command of the order, and long before that a replay takes seconds.
 */
export const PAYMENT_LIMITS = {
  /** After this many refused payments the API lets only a payment through that the wallet can cover. */
  refused: 20,
  /** The same in the workflow. Higher, because each of several API processes may let one more through than it means to. */
  refusedByWorkflow: 40,
  /** After this many refused payments the workflow accepts none, not even a payment that the wallet could cover a moment ago. */
  refusedAtAll: 150,
  /** Accepted payments that are not answered yet. Temporal takes ten updates of one workflow at once; the others are for cancel and operators. */
  waiting: 3,
} as const;

/**
 * How many refunds of one order may wait for room in its wallet. Each has a workflow that tries again and again; a caller who sends new
 * keys while one waits would add one more each time.
 */
export const REFUNDS_WAITING = 10;

/** Why a refund is refused for good: of a payment and of units, ever less is left. */
export const REFUND_REFUSALS = [
  'refund_exceeds_payment',
  'refund_exceeds_units',
  'sku_not_in_order',
] as const satisfies readonly RefusalReason[];
export type RefundRefusal = (typeof REFUND_REFUSALS)[number];

/** Units of one of an order's lines that are refunded. */
export interface RefundLine {
  sku: string;
  quantity: number;
  /** Whether these units go back on hand. */
  restock: boolean;
}

/** What of a paid order is refunded: an amount, or units. Neither: all that is left. */
export interface RefundPart {
  /** In minor units of the order's currency. No units are refunded with it. */
  amount?: number;
  /** One line per SKU, in SKU order. */
  lines?: readonly RefundLine[];
  /** Whether the units that are left go back on hand. Says nothing about `amount` and `lines`. */
  restock: boolean;
}

/** A refund of a paid order, as it is requested. */
export interface RefundInput extends RefundPart {
  orderId: string;
  /** The command that requested it: its key. Null for the Web UI's Cancel. */
  commandId: string | null;
  reason: string;
  /** Milliseconds that a step may keep failing before a person is asked to look. */
  attentionAfter?: number;
  /** The address of the runbook, which the Web UI then links to. */
  runbook?: string;
}
