/** The workflows with one change that no running order would survive: a new timer before everything else. */
import { sleep } from '@temporalio/workflow';
import {
  deliverAlerts as realDeliverAlerts,
  deliverWebhook as realDeliverWebhook,
  monitor as realMonitor,
  order as realOrder,
  payment as realPayment,
  payments as realPayments,
  reconcile as realReconcile,
  refund as realRefund,
  retention as realRetention,
  seal as realSeal,
  stats as realStats,
  webhooks as realWebhooks,
} from '../../workflows/index.ts';
import type { MonitorEnd } from '../../domain/measures.ts';
import type { RefundInput } from '../../domain/order.ts';
import type { ReconcileEnd } from '../../domain/rules.ts';
import type {
  DeliverEnd,
  DeliverInput,
  DeliverWebhookEnd,
  DeliverWebhookInput,
  OrderEnd,
  OrderInput,
  PaymentEnd,
  PaymentInput,
  PaymentsEnd,
  ReconcileInput,
  RefundEnd,
  RetentionEnd,
  RetentionInput,
  SealEnd,
  StatsEnd,
  WebhooksEnd,
} from '../../workflows/messages.ts';

export async function order(input: OrderInput): Promise<OrderEnd> {
  await sleep('1s');
  return realOrder(input);
}

export async function refund(input: RefundInput): Promise<RefundEnd> {
  await sleep('1s');
  return realRefund(input);
}

export async function reconcile(input: ReconcileInput): Promise<ReconcileEnd> {
  await sleep('1s');
  return realReconcile(input);
}

export async function monitor(): Promise<MonitorEnd> {
  await sleep('1s');
  return realMonitor();
}

export async function deliverAlerts(input: DeliverInput): Promise<DeliverEnd> {
  await sleep('1s');
  return realDeliverAlerts(input);
}

export async function stats(): Promise<StatsEnd> {
  await sleep('1s');
  return realStats();
}

export async function retention(input?: RetentionInput): Promise<RetentionEnd> {
  await sleep('1s');
  return realRetention(input);
}

export async function seal(): Promise<SealEnd> {
  await sleep('1s');
  return realSeal();
}

export async function deliverWebhook(input: DeliverWebhookInput): Promise<DeliverWebhookEnd> {
  await sleep('1s');
  return realDeliverWebhook(input);
}

export async function webhooks(): Promise<WebhooksEnd> {
  await sleep('1s');
  return realWebhooks();
}

export async function payment(input: PaymentInput): Promise<PaymentEnd> {
  await sleep('1s');
  return realPayment(input);
}

export async function payments(): Promise<PaymentsEnd> {
  await sleep('1s');
  return realPayments();
}
