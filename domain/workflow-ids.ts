/** The ids of workflows. Both the database and Temporal know a workflow by its id, and it never changes. */
import type { Measure } from './measures.ts';

/** Fixed, so that starting the same order twice finds the first start. */
export const orderWorkflowId = (orderId: string): string => `order-${orderId}`;
/** One id per order: a second refund of the same order cannot run. */
export const refundWorkflowId = (orderId: string): string => `refund-${orderId}`;
/** One delivery for each measure and deployment, of which a namespace may have several. */
export const deliverWorkflowId = (taskQueue: string, name: Measure): string => `alerts-${taskQueue}-${name}`;
