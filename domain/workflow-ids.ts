/** The ids of workflows. Both the database and Temporal know a workflow by its id, so an id never changes. */
import type { Measure } from './measures.ts';

/** One id per order: starting the same order twice finds the first start. */
export const orderWorkflowId = (orderId: string): string => `order-${orderId}`;
/** One id per order: a second refund of the same order cannot run. */
export const refundWorkflowId = (orderId: string): string => `refund-${orderId}`;
/** One delivery per measure and deployment; a namespace may have several deployments. */
export const deliverWorkflowId = (taskQueue: string, name: Measure): string => `alerts-${taskQueue}-${name}`;
/** One per webhook, so that two never send to the same receiver. */
export const webhookWorkflowId = (webhookId: string): string => `webhook-${webhookId}`;
/** The task queue of what sends to receivers, beside the one of orders. */
export const sendingQueueOf = (taskQueue: string): string => `${taskQueue}-webhooks`;
