/** How the workflow of an order or of its refund is started: everywhere with the same options, and found by the same search attributes. */
import type { WorkflowStartOptions } from '@temporalio/client';
import type { OpenOrder } from '../domain/order-workflows.ts';
import type { RefundInput } from '../domain/order.ts';
import { summarizeRefund } from '../domain/refund-summary.ts';
import { ownerPairs, searchPair, type OrderOwner, type SearchPair } from '../domain/search-attributes.ts';
import { MAIN_SHOP } from '../domain/shops.ts';
import type { Stage } from '../domain/stages.ts';
import { orderWorkflowId, refundWorkflowId } from '../domain/workflow-ids.ts';
import { ORDER_RULES, type OrderEnd, type OrderInput, type RefundEnd } from '../workflows/messages.ts';

export type OrderWorkflow = (input: OrderInput) => Promise<OrderEnd>;
export type RefundWorkflow = (input: RefundInput) => Promise<RefundEnd>;

/** An order to be started. The rules by which it begins, and the runbook, are added here. */
export type NewOrder = Omit<OrderInput, 'rules' | 'runbook'>;

/** A refund to be started. */
export type NewRefund = Omit<RefundInput, 'runbook'>;

/** What all workflows of a deployment are started with. */
export interface Deployment {
  taskQueue: string;
  /** The address of the runbook; undefined when nobody serves it. */
  runbook?: string | undefined;
}

export interface StartPolicy extends Deployment {
  /** False where the namespace does not know the search attributes. */
  isSearchable: boolean;
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
    args: [{ ...order, rules: ORDER_RULES, ...withRunbook(policy) }],
    staticSummary: summary,
    ...searchedBy(policy, [
      ...ownerPairs(order),
      // Where it is for all but some milliseconds of its life: the workflow writes only what comes after that.
      searchPair('HoldfastStage', 'awaiting_payment' satisfies Stage),
      searchPair(
        'HoldfastDeadline',
        order.deadline ?? new Date(Date.now() + order.paymentWindow).toISOString(),
      ),
    ]),
    ...idPolicies(policy),
  }) satisfies WorkflowStartOptions<OrderWorkflow>;

/** @param owner undefined when nobody knows whose the order is: then the refund is found by its id alone. */
export const refundStart = (
  refund: NewRefund,
  owner: OrderOwner | undefined,
  { summary = summarizeRefund(refund), ...policy }: StartPolicy,
) =>
  ({
    workflowId: refundWorkflowId(refund.orderId, refund.commandId),
    args: [{ ...refund, ...withRunbook(policy) }],
    staticSummary: summary,
    ...searchedBy(policy, owner === undefined ? [] : ownerPairs(owner)),
    ...idPolicies(policy),
  }) satisfies WorkflowStartOptions<RefundWorkflow>;

/** For the input of a workflow. */
export const withRunbook = ({ runbook }: Pick<Deployment, 'runbook'>): { runbook?: string } =>
  runbook === undefined ? {} : { runbook };

/** For the options of a start. */
export const searchedBy = (
  { isSearchable }: Pick<StartPolicy, 'isSearchable'>,
  typedSearchAttributes: SearchPair[],
): { typedSearchAttributes?: SearchPair[] } =>
  isSearchable && typedSearchAttributes.length > 0 ? { typedSearchAttributes } : {};

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
