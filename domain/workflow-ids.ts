/** The ids of workflows. Both the database and Temporal know a workflow by its id, so an id never changes. */
import type { AlertReceiver } from './alert-receivers.ts';
import type { Measure } from './measures.ts';

/** One id per order: starting the same order twice finds the first start. */
export const orderWorkflowId = (orderId: string): string => `order-${orderId}`;
/**
 * One id per refund, by the command that requested it. A refund without a command is of all that is left, and has the one id that the
 * refund of an order had before 0.8, which may still run.
 */
export const refundWorkflowId = (orderId: string, commandId: string | null): string =>
  commandId === null ? `refund-${orderId}` : `refund-${orderId}-${commandId}`;
/**
 * One delivery per measure, receiver and deployment; a namespace may have several deployments. That to `webhook` has the id that the only
 * one had before 0.10, which may still run.
 */
export const deliverWorkflowId = (
  taskQueue: string,
  { name, receiver }: { name: Measure; receiver: AlertReceiver },
): string => `alerts-${taskQueue}-${name}${receiver === 'webhook' ? '' : `-${receiver}`}`;
/** One per webhook, so that two never send to the same receiver. */
export const webhookWorkflowId = (webhookId: string): string => `webhook-${webhookId}`;
/** The task queue of what sends to receivers, beside the one of orders. */
export const sendingQueueOf = (taskQueue: string): string => `${taskQueue}-webhooks`;

/** One per payment, so that two never ask its provider for the same. */
export const paymentWorkflowId = (paymentId: string): string => `payment-${paymentId}`;
export const isPaymentWorkflowId = (workflowId: string): boolean => OF_PAYMENT.test(workflowId);
/** The payment's id; undefined for the workflow of something else. */
export const readPaymentId = (workflowId: string): string | undefined => OF_PAYMENT.exec(workflowId)?.[1];
/** The task queue of what asks providers and wallets, beside the one of orders. */
export const payingQueueOf = (taskQueue: string): string => `${taskQueue}-payments`;

/** What the workflow of an order or of a refund is about. */
export interface WorkflowSubject {
  kind: 'order' | 'refund';
  orderId: string;
  /** Of a refund that has an id of its own. */
  commandId: string | null;
}

const UUID = '[\\da-f]{8}(?:-[\\da-f]{4}){3}-[\\da-f]{12}';
const OF_ORDER = new RegExp(`^order-(${UUID})$`);
const OF_PAYMENT = new RegExp(`^payment-(${UUID})$`);
const OF_REFUND = new RegExp(`^refund-(${UUID})(?:-(${UUID}))?$`);

/** Undefined for the workflow of something else. */
export function readWorkflowId(workflowId: string): WorkflowSubject | undefined {
  const [, orderId] = OF_ORDER.exec(workflowId) ?? [];
  if (orderId !== undefined) return { kind: 'order', orderId, commandId: null };
  const [, refunded, commandId = null] = OF_REFUND.exec(workflowId) ?? [];
  return refunded === undefined ? undefined : { kind: 'refund', orderId: refunded, commandId };
}
