/**
 * What others send to the workflows and hear from them: workflow types, inputs and results, updates and queries. Wire names: they are in
 * histories and stay. No workflow code is here, so that the client can import it.
 */
import { defineQuery, defineUpdate } from '@temporalio/workflow';
import type { Attention, Intervention } from '../domain/attention.ts';
import type { Measure } from '../domain/measures.ts';
import type { OrderLine, PaymentMode, RefusalReason, Step } from '../domain/order.ts';
import type { Stage } from '../domain/stages.ts';

export const WORKFLOW = {
  order: 'order',
  refund: 'refund',
  reconcile: 'reconcile',
  stats: 'stats',
  monitor: 'monitor',
  deliverAlerts: 'deliverAlerts',
} as const;

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
  /** ISO 8601: the deadline the caller was given, when the workflow of an open order is started again. */
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

export interface ReconcileInput {
  /** Whether counters and figures are set to what they sum. What an order holds is given back in any case. */
  repairCounters: boolean;
  /** Milliseconds, as RECONCILE_FOR_MS, which it is unless given. */
  forMs?: number;
}

export interface StatsEnd {
  /** Events that were added to the shop's figures. */
  counted: number;
}

export interface DeliverInput {
  /** Whose alerts are sent: one workflow for each measure, so that they arrive in order. */
  name: Measure;
}

export interface DeliverEnd {
  delivered: number;
}

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
