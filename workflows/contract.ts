/**
 * What the rest of the system knows of the workflows: their names, what goes in, and what comes back.
 * No code of a workflow is here, so that the API can import it.
 */
import { defineQuery, defineUpdate } from '@temporalio/workflow';
import type { Stage } from './life.ts';

export const WORKFLOW = { order: 'order', refund: 'refund' } as const;

/** Fixed, so that starting the same order twice finds the first start. */
export const orderWorkflowId = (orderId: string): string => `order-${orderId}`;
/** One id per order: a second refund of the same order cannot run. */
export const refundWorkflowId = (orderId: string): string => `refund-${orderId}`;

export const PAYMENT_MODES = ['debit', 'hold'] as const;
/** `debit`: money is taken when the buyer pays. `hold`: it is held with the stock and captured when the buyer pays. */
export type PaymentMode = (typeof PAYMENT_MODES)[number];

export const STEPS = ['reserve', 'abandon', 'pay', 'release', 'refund'] as const;
/** One effect of an order on the database; `(order id, step, attempt)` is its idempotency key. */
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
] as const;
export type RefusalReason = (typeof REFUSAL_REASONS)[number];

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
}

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
}

export interface CancelCommand {
  commandId: string;
  reason: string;
}

export interface CommandAnswer {
  stage: Stage;
  /** Set when the command was carried out and refused in the end (a payment without funds). */
  refusal: RefusalReason | null;
}

/** What an operator sees of an order that has not ended. Times are ISO 8601. */
export interface OrderView {
  stage: Stage;
  deadline: string;
  payAttempts: number;
}

export const placeUpdate = defineUpdate<PlaceAnswer>('place');
export const payUpdate = defineUpdate<CommandAnswer, [PayCommand]>('pay');
export const cancelUpdate = defineUpdate<CommandAnswer, [CancelCommand]>('cancel');
export const orderQuery = defineQuery<OrderView>('order');
