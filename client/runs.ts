/** Reads the runs of workflows: the newest one, how it ended, and what it was asked for. */
import { WorkflowNotFoundError, type Client, type WorkflowExecutionDescription } from '@temporalio/client';
import { decodeArrayFromPayloads } from '@temporalio/common/lib/internal-non-workflow/index.js';
import { z } from 'zod';
import type { RefundInput } from '../domain/order.ts';
import { askTemporal } from './ask.ts';

/** How a run can end without having finished its work. `CANCELED` is not among them: such an order gave everything back first. */
const BROKEN_STATUSES = { FAILED: 'failed', TERMINATED: 'was terminated', TIMED_OUT: 'timed out' } as const;
/** The same in a query for workflows. */
export const BROKEN_STATUS_QUERY = "('Failed', 'Terminated', 'TimedOut')";

export type History = Awaited<ReturnType<ReturnType<Client['workflow']['getHandle']>['fetchHistory']>>;
export type Payloads = Parameters<typeof decodeArrayFromPayloads>[1];

export interface NewestRun {
  run: WorkflowExecutionDescription;
  /** Undefined unless it broke. */
  howItBroke: string | undefined;
}

/** A reset terminates a run, too, but starts a newer one. Undefined when there is none. */
export async function findNewestRun(client: Client, workflowId: string): Promise<NewestRun | undefined> {
  try {
    const run = await askTemporal(client, () => client.workflow.getHandle(workflowId).describe());
    return { run, howItBroke: describeBreak(run) };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

export const fetchHistory = (
  client: Client,
  { workflowId, runId }: WorkflowExecutionDescription,
): Promise<History> => askTemporal(client, () => client.workflow.getHandle(workflowId, runId).fetchHistory());

export const decodeInput = (client: Client, { events }: History): Promise<unknown> =>
  decodeFirst(client, events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads);

export async function decodeFirst({ options }: Client, payloads: Payloads): Promise<unknown> {
  const [first] = await decodeArrayFromPayloads(options.loadedDataConverter, payloads);
  return first;
}

const refundSchema = z.looseObject({
  orderId: z.string(),
  commandId: z.string().nullable(),
  reason: z.string(),
  restock: z.boolean(),
});
/** Passed on unchanged, with fields that a newer release has added. */
const refundInput = z.custom<RefundInput>((value) => refundSchema.safeParse(value).success);

/** What a refund's workflow was asked for. */
export const readRefund = async (client: Client, history: History): Promise<RefundInput> =>
  refundInput.parse(await decodeInput(client, history));

const describeBreak = ({ status }: WorkflowExecutionDescription): string | undefined =>
  Object.entries(BROKEN_STATUSES).find(([name]) => name === status.name)?.[1];
