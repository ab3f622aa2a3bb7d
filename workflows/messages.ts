/**
 * What others send to the workflows and get back: workflow types, inputs and results, updates and queries. These are wire names: they are
 * in histories and stay. There is no workflow code here, so that the client can import it.
 */
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { NotificationPageEnd } from '../activities/payments/unmatched.ts';
import type { PaymentPageEnd } from '../activities/payments/wake.ts';
import type { AlertReceiver } from '../domain/alert-receivers.ts';
import type { Attention, Intervention } from '../domain/attention.ts';
import type { AuditHead } from '../domain/audit.ts';
import type { Measure } from '../domain/measures.ts';
import type { OrderContents, RefusalReason, Step } from '../domain/order.ts';
import type { OwedOutcome, PaymentMethod, PaymentOutcome, PaymentState } from '../domain/payments.ts';
import type { Stage } from '../domain/stages.ts';
import type { FailedAttempt } from '../domain/webhook-attempts.ts';

export const WORKFLOW = {
  order: 'order',
  refund: 'refund',
  reconcile: 'reconcile',
  stats: 'stats',
  monitor: 'monitor',
  deliverAlerts: 'deliverAlerts',
  retention: 'retention',
  seal: 'seal',
  deliverWebhook: 'deliverWebhook',
  webhooks: 'webhooks',
  payment: 'payment',
  payments: 'payments',
} as const;

/** Its lines are one per SKU, in SKU order. */
export interface OrderInput extends OrderContents {
  orderId: string;
  /** Milliseconds from the order's start to its deadline. */
  paymentWindow: number;
  /** Whether the order is paid as soon as it is reserved. The order's id is that payment's command. */
  payAtOnce?: true;
  /** Milliseconds that a step may keep failing before a person is asked to look. Missing in orders from before 0.2. */
  attentionAfter?: number;
  /** ISO 8601: the deadline the caller was given, when the workflow of an open order is started again. */
  deadline?: string;
  /**
   * Milliseconds by which the deadline is put off, once, when a provider is about to decide on a payment; 0 for never. Missing in orders
   * from before 0.9, which put it off by the default.
   */
  paymentExtension?: number;
  /** {@link ORDER_RULES} when the order began. Missing in orders from before 0.4. */
  rules?: number;
  /** The address of the runbook, which the Web UI then links to. */
  runbook?: string;
}

/** The rules for orders that begin now. An order's code decides by its input, so older orders keep their rules. */
export const ORDER_RULES = 5;

/** An order that is started again looks at its payments first since 0.9. */
export const PAYMENTS_SINCE_RULES = 5;

export interface OrderEnd {
  stage: Stage;
  reason: string | null;
}

export interface RefundEnd extends OrderEnd {
  /** The command whose refund this is. */
  commandId: string | null;
}

/** Answers once the reservation is decided, and the payment of an order that is paid at once. */
export interface PlaceAnswer {
  stage: Stage;
  reason: string | null;
}

export interface PayCommand {
  commandId: string;
  /** Whether the wallet could cover the payment when the API checked, just before. */
  funded?: boolean;
}

/** What the payment is paid with at a provider is in the database, and never in a history. */
export interface AddPaymentCommand {
  /** The payment's id: the id of the command that opens it. */
  paymentId: string;
  method: PaymentMethod;
  /** In minor units of the order's currency; left out for all that is not secured yet. */
  amount?: number;
}

/** Tells an order that one of its payments is in another state. The order reads the rest in the database. */
export interface PaymentNews {
  paymentId: string;
  state: PaymentState;
}

export interface CancelCommand {
  commandId: string;
  reason: string;
}

export interface CommandAnswer {
  /** `refunding` when the refund waits for room in the wallet. */
  stage: Stage;
  /** Set when the command was accepted and then refused (a payment without funds). */
  refusal: RefusalReason | null;
}

/** How far a refund is: `refunding` when it waits for room in the wallet. Its outcome otherwise is in the database. */
export interface RefundAnswer {
  stage: Stage;
}

export interface SkipStep extends Intervention {
  /** Named, so that nobody skips another step than the one they saw failing. */
  step: Step;
}

export interface ExtendDeadline extends Intervention {
  /** The new deadline, ISO 8601. */
  until: string;
}

export interface InterventionAnswer {
  stage: Stage;
  /** The step that was acted on; null when none was failing. */
  step: Step | null;
  /** Of a deadline that was put off: the recorded one, ISO 8601. */
  deadline?: string;
}

/** What an operator sees of an order that has not ended. Times are ISO 8601. */
export interface OrderView {
  stage: Stage;
  deadline: string;
  payAttempts: number;
  /** The step that failed and is being retried. */
  failing: Step | null;
  attention: Attention | null;
}

/** What an operator sees of a refund. */
export interface RefundView extends Pick<OrderView, 'failing' | 'attention'> {
  stage: 'refunding';
}

export interface PaymentInput {
  paymentId: string;
  orderId: string;
  /** The address of the runbook, which the Web UI then links to. */
  runbook?: string;
  /** What the run before this one knew, when it goes on from another one. */
  goesOn?: { unknownSince: string | null; attention: Attention | null; asked: number };
}

export interface PaymentEnd {
  state: PaymentState;
}

export interface ResolvePayment extends Intervention {
  outcome: PaymentOutcome | OwedOutcome;
}

export interface ResolveAnswer {
  state: PaymentState;
}

/** What an operator sees of a payment that has something left to do. */
export interface PaymentView {
  state: PaymentState;
  /** Since when its provider gives no answer that says how it stands, ISO 8601; null when it is known. */
  unknownSince: string | null;
  attention: Attention | null;
}

/** Where a run that ran out of time goes on. Null is the beginning. */
export interface PaymentsInput {
  payments: PaymentPageEnd | null;
  notifications: NotificationPageEnd | null;
}

export interface PaymentsEnd {
  /** Payments that were not settled, and whose workflows were started unless they ran. */
  started: number;
  /** Notifications whose payment is known, and was not asked about since they came. */
  matched: number;
  /** Notifications of payments that nobody here asked for, whose money was given back. */
  returned: number;
  /** What buyers paid with, of payments that are long known. */
  removedSources: number;
}

export interface ReconcileInput {
  /** Whether wrong counters and figures are set to their sums. What a closed order holds is given back in any case. */
  repairCounters: boolean;
  /** How long the run searches, in milliseconds; RECONCILE_FOR_MS by default. */
  forMs?: number;
  /** Whether it inspects payments. Runs that a release before 0.9 began do not. */
  payments?: boolean;
}

export interface StatsEnd {
  /** Events that were added to the shop's figures. */
  counted: number;
}

/** What a run removes depends on it: an input without `inMonths` is no input of 0.7 or later. */
export interface RetentionInput {
  /** Whether it makes and drops months, besides removing keys. */
  inMonths: true;
  /** Whether it removes old deliveries of webhooks, as every run since 0.8 does. */
  deliveries?: true;
  /** Whether it removes old notifications of payment providers, as every run since 0.9 does. */
  notifications?: true;
}

export interface RetentionEnd {
  /** Names of partitions. Missing in runs from before 0.7. */
  madeMonths?: string[];
  droppedMonths?: string[];
  /** Idempotency keys that were removed one by one. */
  removedKeys: number;
  /** Deliveries of webhooks. Missing in runs from before 0.8. */
  removedDeliveries?: number;
  /** Notifications of payment providers. Missing in runs from before 0.9. */
  removedNotifications?: number;
}

/** The head of the audit after a run, which Temporal keeps outside of the database. */
export interface SealEnd extends AuditHead {
  /** Rows that the run sealed. */
  sealed: number;
  /** A head of an earlier run that the chain no longer has. Each run passes it on until the chain has it again. */
  missed?: AuditHead;
}

export interface DeliverInput {
  /** Whose alerts are sent: one workflow per measure and receiver, so that they arrive in order, and none waits for another. */
  name: Measure;
  /** Missing in deliveries from before 0.10, when there was only the webhook. */
  receiver?: AlertReceiver;
}

export interface DeliverEnd {
  delivered: number;
}

export interface DeliverWebhookInput {
  webhookId: string;
  /** The task queue of what sends: slow receivers take none of the places of orders. */
  sendingQueue: string;
  /** The last failure before this run, when it goes on from another one. */
  lastFailure?: FailedAttempt;
}

export interface DeliverWebhookEnd {
  /** By this run. */
  delivered: number;
}

export interface WebhooksEnd {
  /** Webhooks with something due whose workflow was woken, or started. */
  woken: number;
}

/** Says that something is due. */
export const newsSignal = defineSignal('news');
export const placeUpdate = defineUpdate<PlaceAnswer>('place');
export const payUpdate = defineUpdate<CommandAnswer, [PayCommand]>('pay');
/** Answers once it is known whether the payment is authorised, or after some seconds. */
export const addPaymentUpdate = defineUpdate<CommandAnswer, [AddPaymentCommand]>('addPayment');
/** Tells an order how one of its payments stands. */
export const paymentNewsSignal = defineSignal<[PaymentNews]>('paymentNews');
export const resolvePaymentUpdate = defineUpdate<ResolveAnswer, [ResolvePayment]>('resolvePayment');
export const cancelUpdate = defineUpdate<CommandAnswer, [CancelCommand]>('cancel');
/** Answers once the refund is made, or waits. */
export const refundUpdate = defineUpdate<RefundAnswer>('refund');
export const retryNowUpdate = defineUpdate<InterventionAnswer, [Intervention]>('retryNow');
export const skipStepUpdate = defineUpdate<InterventionAnswer, [SkipStep]>('skipStep');
/** Answers once the new deadline is recorded. */
export const extendDeadlineUpdate = defineUpdate<InterventionAnswer, [ExtendDeadline]>('extendDeadline');
export const giveUpUpdate = defineUpdate<InterventionAnswer, [Intervention]>('giveUp');
export const orderQuery = defineQuery<OrderView>('order');
export const refundQuery = defineQuery<RefundView>('refund');
export const paymentQuery = defineQuery<PaymentView>('payment');
