/**
 * Finds lost commands: a refund or a cancel that a workflow accepted, and then lost because it failed, timed out or was terminated.
 * They are read from the history of the run.
 */
import type { Client } from '@temporalio/client';
import { z } from 'zod';
import type { BrokenPromise, LostRefund } from '../domain/order-workflows.ts';
import { CANCELLED_IN_TEMPORAL, REFUND_REFUSALS, type RefundInput } from '../domain/order.ts';
import { orderWorkflowId, refundWorkflowId } from '../domain/workflow-ids.ts';
import { cancelUpdate, giveUpUpdate } from '../workflows/messages.ts';
import {
  decodeFirst,
  decodeInput,
  fetchHistory,
  findNewestRun,
  readRefund,
  type History,
  type NewestRun,
} from './runs.ts';

const cancelSchema = z.looseObject({ commandId: z.string(), reason: z.string() });
const giveUpSchema = z.looseObject({ reason: z.string() });
const attentionSchema = z.looseObject({ attentionAfter: z.number().optional() });

/** A cancel as a caller, or a person in the Web UI, sent it. */
export interface LostCancel {
  /** Null for a person's. */
  commandId: string | null;
  reason: string;
}

/** The cancel that an order's workflow accepted, if that workflow ended without carrying it out. */
export async function findLostCancel(client: Client, orderId: string): Promise<LostCancel | undefined> {
  const newest = await findNewestRun(client, orderWorkflowId(orderId));
  return newest?.howItBroke
    ? findUnansweredCancel(client, await fetchHistory(client, newest.run))
    : undefined;
}

/** The refund of a paid order that a workflow accepted and that no workflow carries out. */
export async function findLostRefund(
  client: Client,
  { orderId, commandId }: BrokenPromise,
): Promise<LostRefund | undefined> {
  const workflowId = refundWorkflowId(orderId, commandId);
  const refund = await findNewestRun(client, workflowId);
  if (refund) {
    if (!refund.howItBroke) return undefined;
    const lost = await readBrokenRefund(client, refund);
    if (lost) return (await hasOtherWorkflow(client, lost.refund, workflowId)) ? undefined : lost;
  }
  return commandId === null ? findRefundOfLostCancel(client, orderId) : undefined;
}

/** Undefined for a refund that was refused: it had nothing to give back, and its caller was answered. */
async function readBrokenRefund(
  client: Client,
  { run, howItBroke }: NewestRun,
): Promise<LostRefund | undefined> {
  const history = await fetchHistory(client, run);
  if (wasRefused(history)) return undefined;
  return {
    refund: await readRefund(client, history),
    finding: `is paid, and the workflow of its refund ${howItBroke}`,
  };
}

/** The order's workflow had accepted a cancel when it was already paid, or about to be. */
async function findRefundOfLostCancel(client: Client, orderId: string): Promise<LostRefund | undefined> {
  const workflowId = orderWorkflowId(orderId);
  const order = await findNewestRun(client, workflowId);
  if (!order?.howItBroke) return undefined;
  const history = await fetchHistory(client, order.run);
  const cancel = await findUnansweredCancel(client, history);
  if (!cancel) return undefined;
  const { attentionAfter } = attentionSchema.parse(await decodeInput(client, history));
  const refund = {
    orderId,
    ...cancel,
    restock: true,
    ...(attentionAfter !== undefined && { attentionAfter }),
  };
  // Reconciliation has started it before, and it is not recorded yet.
  if (cancel.commandId !== null && (await hasOtherWorkflow(client, refund, workflowId))) return undefined;
  return {
    refund,
    finding: `is paid, and its workflow ${order.howItBroke} after it had accepted a cancel`,
  };
}

/** Whether the refund was begun again since, in its own workflow. If that broke, it is listed, too. */
async function hasOtherWorkflow(
  client: Client,
  { orderId, commandId }: RefundInput,
  than: string,
): Promise<boolean> {
  const own = refundWorkflowId(orderId, commandId);
  return own !== than && (await findNewestRun(client, own)) !== undefined;
}

/** The first cancel that was accepted and never answered. */
async function findUnansweredCancel(client: Client, { events }: History): Promise<LostCancel | undefined> {
  const answered = new Set(
    events?.map((event) => event.workflowExecutionUpdateCompletedEventAttributes?.meta?.updateId),
  );
  for (const event of events ?? []) {
    if (event.workflowExecutionCancelRequestedEventAttributes)
      return { commandId: null, reason: CANCELLED_IN_TEMPORAL };
    // After a reset, an update is in the event that admitted it again.
    const { meta, input } =
      event.workflowExecutionUpdateAcceptedEventAttributes?.acceptedRequest ??
      event.workflowExecutionUpdateAdmittedEventAttributes?.request ??
      {};
    if (answered.has(meta?.updateId)) continue;
    if (input?.name === cancelUpdate.name) {
      const { commandId, reason } = cancelSchema.parse(await decodeFirst(client, input.args?.payloads));
      return { commandId, reason };
    }
    if (input?.name === giveUpUpdate.name) {
      const { reason } = giveUpSchema.parse(await decodeFirst(client, input.args?.payloads));
      return { commandId: null, reason };
    }
  }
  return undefined;
}

const REFUSED: ReadonlySet<unknown> = new Set(['order_not_refundable', ...REFUND_REFUSALS]);

const wasRefused = ({ events }: History): boolean =>
  REFUSED.has(events?.at(-1)?.workflowExecutionFailedEventAttributes?.failure?.applicationFailureInfo?.type);
