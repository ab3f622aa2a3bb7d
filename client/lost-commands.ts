/**
 * Finds lost commands: a refund or a cancel that a workflow accepted, and then lost because it failed, timed out or was terminated.
 * They are read from the history of the run.
 */
import { WorkflowNotFoundError, type Client, type WorkflowExecutionDescription } from '@temporalio/client';
import { decodeArrayFromPayloads } from '@temporalio/common/lib/internal-non-workflow/index.js';
import { z } from 'zod';
import type { LostRefund } from '../domain/order-workflows.ts';
import { CANCELLED_IN_TEMPORAL, type RefundInput } from '../domain/order.ts';
import { orderWorkflowId, refundWorkflowId } from '../domain/workflow-ids.ts';
import { cancelUpdate, giveUpUpdate } from '../workflows/messages.ts';
import { askTemporal } from './ask.ts';

/** How a run can end without having finished its work. `CANCELED` is not among them: such an order gave everything back first. */
const BROKEN_STATUSES = { FAILED: 'failed', TERMINATED: 'was terminated', TIMED_OUT: 'timed out' } as const;
/** The same in a query for workflows. */
export const BROKEN_STATUS_QUERY = "('Failed', 'Terminated', 'TimedOut')";

const cancelSchema = z.looseObject({ commandId: z.string(), reason: z.string() });
const giveUpSchema = z.looseObject({ reason: z.string() });
const refundSchema = z.looseObject({
  orderId: z.string(),
  commandId: z.string().nullable(),
  reason: z.string(),
  restock: z.boolean(),
});
/** Passed on unchanged, with fields that a newer release has added. */
const refundInput = z.custom<RefundInput>((value) => refundSchema.safeParse(value).success);
const attentionSchema = z.looseObject({ attentionAfter: z.number().optional() });

type History = Awaited<ReturnType<ReturnType<Client['workflow']['getHandle']>['fetchHistory']>>;
type Payloads = Parameters<typeof decodeArrayFromPayloads>[1];

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
export async function findLostRefund(client: Client, orderId: string): Promise<LostRefund | undefined> {
  const refund = await findNewestRun(client, refundWorkflowId(orderId));
  if (refund) {
    if (!refund.howItBroke) return undefined;
    const history = await fetchHistory(client, refund.run);
    // A refused refund had nothing to give back, and its caller was answered: nothing is lost.
    if (!wasRefused(history))
      return {
        refund: refundInput.parse(await decodeInput(client, history)),
        finding: `is paid, and the workflow of its refund ${refund.howItBroke}`,
      };
  }
  const order = await findNewestRun(client, orderWorkflowId(orderId));
  if (!order?.howItBroke) return undefined;
  const history = await fetchHistory(client, order.run);
  const cancel = await findUnansweredCancel(client, history);
  if (!cancel) return undefined;
  const { attentionAfter } = attentionSchema.parse(await decodeInput(client, history));
  return {
    refund: {
      orderId,
      ...cancel,
      restock: true,
      ...(attentionAfter !== undefined && { attentionAfter }),
    },
    finding: `is paid, and its workflow ${order.howItBroke} after it had accepted a cancel`,
  };
}

/** The newest run, and how it broke, if it did. A reset terminates a run, too, but starts a newer one. */
async function findNewestRun(client: Client, workflowId: string) {
  try {
    const run = await askTemporal(client, () => client.workflow.getHandle(workflowId).describe());
    return { run, howItBroke: describeBreak(run) };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

const fetchHistory = (
  client: Client,
  { workflowId, runId }: WorkflowExecutionDescription,
): Promise<History> => askTemporal(client, () => client.workflow.getHandle(workflowId, runId).fetchHistory());

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

const decodeInput = (client: Client, { events }: History): Promise<unknown> =>
  decodeFirst(client, events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads);

async function decodeFirst({ options }: Client, payloads: Payloads): Promise<unknown> {
  const [first] = await decodeArrayFromPayloads(options.loadedDataConverter, payloads);
  return first;
}

const describeBreak = ({ status }: WorkflowExecutionDescription): string | undefined =>
  Object.entries(BROKEN_STATUSES).find(([name]) => name === status.name)?.[1];

const wasRefused = ({ events }: History): boolean =>
  events?.at(-1)?.workflowExecutionFailedEventAttributes?.failure?.applicationFailureInfo?.type ===
  'order_not_refundable';
