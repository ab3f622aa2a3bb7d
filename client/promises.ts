/** What somebody was promised by a workflow that then failed, timed out or was terminated: read from its history. */
import { WorkflowNotFoundError, type Client, type WorkflowExecutionDescription } from '@temporalio/client';
import { decodeArrayFromPayloads } from '@temporalio/common/lib/internal-non-workflow/index.js';
import { z } from 'zod';
import type { LostRefund } from '../domain/order-workflows.ts';
import { CANCELLED_IN_TEMPORAL } from '../domain/order.ts';
import { orderWorkflowId, refundWorkflowId } from '../domain/workflow-ids.ts';
import type { RefundInput } from '../domain/order.ts';
import { cancelUpdate, giveUpUpdate } from '../workflows/messages.ts';

/** Statuses of a run that ended without doing all that it was for. `Canceled` is not among them: such an order gave back first. */
const BROKEN_STATUSES = ['FAILED', 'TERMINATED', 'TIMED_OUT'] as const;
export const BROKEN_STATUS_QUERY = "('Failed', 'Terminated', 'TimedOut')";

const cancelSchema = z.looseObject({ commandId: z.string(), reason: z.string() });
const giveUpSchema = z.looseObject({ reason: z.string() });
const refundSchema = z.looseObject({
  orderId: z.string(),
  commandId: z.string().nullable(),
  reason: z.string(),
  restock: z.boolean(),
});
/** As it was, also what a newer release has added. */
const refundInput = z.custom<RefundInput>((value) => refundSchema.safeParse(value).success);
const attentionSchema = z.looseObject({ attentionAfter: z.number().optional() });

type History = Awaited<ReturnType<ReturnType<Client['workflow']['getHandle']>['fetchHistory']>>;
type Payloads = Parameters<typeof decodeArrayFromPayloads>[1];

/** As a caller, or a person in the Web UI, had sent it. */
export interface LostCancel {
  /** Null for a person's. */
  commandId: string | null;
  reason: string;
}

export interface Promises {
  /** The refund of a paid order that a workflow was asked for, and which no workflow carries out any more. */
  findLostRefund: (orderId: string) => Promise<LostRefund | undefined>;
  /** The cancel that an order's workflow accepted, when that workflow has ended without it. */
  findLostCancel: (orderId: string) => Promise<LostCancel | undefined>;
}

/** @param within gives a question to Temporal its deadline. */
export function promisesOf(client: Client, within: <T>(ask: () => Promise<T>) => Promise<T>): Promises {
  const { loadedDataConverter } = client.options;

  /** The newest run, if it ended without doing all that it was for. A reset terminates a run, too, but starts a newer one. */
  async function newestRun(workflowId: string) {
    try {
      const description = await within(() => client.workflow.getHandle(workflowId).describe());
      return { description, isBroken: BROKEN_STATUSES.some((status) => status === description.status.name) };
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return undefined;
      throw error;
    }
  }

  const historyOf = ({ workflowId, runId }: WorkflowExecutionDescription): Promise<History> =>
    within(() => client.workflow.getHandle(workflowId, runId).fetchHistory());

  const firstOf = async (payloads: Payloads): Promise<unknown> =>
    (await decodeArrayFromPayloads(loadedDataConverter, payloads))[0];

  const inputOf = ({ events }: History): Promise<unknown> =>
    firstOf(events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads);

  /** The first cancel that was accepted and never answered. */
  async function unansweredCancel({ events }: History): Promise<LostCancel | undefined> {
    const answered = new Set(
      events?.map((event) => event.workflowExecutionUpdateCompletedEventAttributes?.meta?.updateId),
    );
    for (const event of events ?? []) {
      if (event.workflowExecutionCancelRequestedEventAttributes)
        return { commandId: null, reason: CANCELLED_IN_TEMPORAL };
      // After a reset an update is in the event that admitted it again.
      const { meta, input } =
        event.workflowExecutionUpdateAcceptedEventAttributes?.acceptedRequest ??
        event.workflowExecutionUpdateAdmittedEventAttributes?.request ??
        {};
      if (answered.has(meta?.updateId)) continue;
      if (input?.name === cancelUpdate.name) {
        const { commandId, reason } = cancelSchema.parse(await firstOf(input.args?.payloads));
        return { commandId, reason };
      }
      if (input?.name === giveUpUpdate.name) {
        const { reason } = giveUpSchema.parse(await firstOf(input.args?.payloads));
        return { commandId: null, reason };
      }
    }
    return undefined;
  }

  async function findLostCancel(orderId: string): Promise<LostCancel | undefined> {
    const run = await newestRun(orderWorkflowId(orderId));
    return run?.isBroken ? unansweredCancel(await historyOf(run.description)) : undefined;
  }

  return {
    findLostCancel,

    async findLostRefund(orderId) {
      const refund = await newestRun(refundWorkflowId(orderId));
      if (refund && !refund.isBroken) return undefined;
      if (refund) {
        const history = await historyOf(refund.description);
        // It could give nothing back, and said so.
        if (!wasRefused(history))
          return {
            refund: refundInput.parse(await inputOf(history)),
            finding: `is paid, and the workflow of its refund ${howItEnded(refund.description)}`,
          };
      }
      const order = await newestRun(orderWorkflowId(orderId));
      if (!order?.isBroken) return undefined;
      const history = await historyOf(order.description);
      const cancel = await unansweredCancel(history);
      if (!cancel) return undefined;
      const { attentionAfter } = attentionSchema.parse(await inputOf(history));
      return {
        refund: {
          orderId,
          ...cancel,
          restock: true,
          ...(attentionAfter !== undefined && { attentionAfter }),
        },
        finding: `is paid, and its workflow ${howItEnded(order.description)} after it had accepted a cancel`,
      };
    },
  };
}

const ENDINGS: Readonly<Record<string, string>> = {
  FAILED: 'failed',
  TERMINATED: 'was terminated',
  TIMED_OUT: 'timed out',
};

const howItEnded = ({ status }: WorkflowExecutionDescription): string => ENDINGS[status.name] ?? status.name;

const wasRefused = ({ events }: History): boolean =>
  events?.at(-1)?.workflowExecutionFailedEventAttributes?.failure?.applicationFailureInfo?.type ===
  'order_not_refundable';
