/** How the workflow of an order or of its refund is started: everywhere with the same options. */
import type { WorkflowStartOptions } from '@temporalio/client';
import type { OpenOrder } from '../domain/order-workflows.ts';
import type { RefundInput } from '../domain/order.ts';
import { summarizeRefund } from '../domain/refund-summary.ts';
import { MAIN_SHOP } from '../domain/shops.ts';
import { orderWorkflowId, refundWorkflowId } from '../domain/workflow-ids.ts';
import { ORDER_RULES, type OrderEnd, type OrderInput, type RefundEnd } from '../workflows/messages.ts';

export type OrderWorkflow = (input: OrderInput) => Promise<OrderEnd>;
export type RefundWorkflow = (input: RefundInput) => Promise<RefundEnd>;

/** An order to be started. The rules by which it begins are added here. */
export type NewOrder = Omit<OrderInput, 'rules'>;

export interface StartPolicy {
  taskQueue: string;
  /** While a workflow with this id runs: `USE_EXISTING` sends the command to it, `FAIL` starts nothing. */
  whileRunning: 'USE_EXISTING' | 'FAIL';
  /** After an ended workflow with this id: never starts another, starts one if it failed or was terminated, or always starts one. */
  afterEnd: 'REJECT_DUPLICATE' | 'ALLOW_DUPLICATE_FAILED_ONLY' | 'ALLOW_DUPLICATE';
  /** The line that the Web UI shows; unless given, what was ordered or refunded. */
  summary?: string;
}

export const orderStart = (order: NewOrder, { summary = summarize(order), ...policy }: StartPolicy) =>
  ({
    workflowId: orderWorkflowId(order.orderId),
    args: [{ ...order, rules: ORDER_RULES }],
    staticSummary: summary,
    ...idPolicies(policy),
  }) satisfies WorkflowStartOptions<OrderWorkflow>;

export const refundStart = (
  refund: RefundInput,
  { summary = summarizeRefund(refund), ...policy }: StartPolicy,
) =>
  ({
    workflowId: refundWorkflowId(refund.orderId, refund.commandId),
    args: [refund],
    staticSummary: summary,
    ...idPolicies(policy),
  }) satisfies WorkflowStartOptions<RefundWorkflow>;

const idPolicies = ({ taskQueue, whileRunning, afterEnd }: Omit<StartPolicy, 'summary'>) => ({
  taskQueue,
  workflowIdConflictPolicy: whileRunning,
  workflowIdReusePolicy: afterEnd,
});

/** An order that is already recorded, with the deadline that its caller was given. */
export const toNewOrder = ({
  id,
  shopId,
  buyerId,
  walletId,
  paymentMode,
  lines,
  createdAt,
  paymentDeadline,
}: OpenOrder): NewOrder => ({
  orderId: id,
  ...(shopId !== undefined && { shopId }),
  buyerId,
  walletId,
  paymentMode,
  lines: lines.map(({ sku, quantity }) => ({ sku, quantity })),
  paymentWindow: paymentDeadline.getTime() - createdAt.getTime(),
  deadline: paymentDeadline.toISOString(),
});

/** The Web UI takes 400 bytes, so a long buyer id is cut. */
function summarize({ lines, shopId = MAIN_SHOP, buyerId, paymentMode, payAtOnce }: NewOrder): string {
  const count = lines.length === 1 ? '1 line' : `${lines.length} lines`;
  const of = shopId === MAIN_SHOP ? '' : ` of shop ${shopId}`;
  return `${count}${of} for buyer ${buyerId.slice(0, 40).toWellFormed()}, ${paymentMode}${payAtOnce ? ', paid at once' : ''}`;
}
