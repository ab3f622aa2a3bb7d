/** Finds out which workflow carries a refund out. */
import type { Client } from '@temporalio/client';
import type { RefundInput } from '../domain/order.ts';
import { refundWorkflowId } from '../domain/workflow-ids.ts';
import { fetchHistory, findNewestRun, readRefund } from './runs.ts';

/**
 * The workflow of an order's one refund that 0.7 began for this command, if it still runs: it may wait for months for room in its wallet.
 * Undefined when there is none.
 */
export async function findOlderRefund(
  client: Client,
  { orderId, commandId }: RefundInput,
): Promise<string | undefined> {
  const workflowId = refundWorkflowId(orderId, null);
  const older = await findNewestRun(client, workflowId);
  if (older?.run.status.name !== 'RUNNING') return undefined;
  const refund = await readRefund(client, await fetchHistory(client, older.run));
  return refund.commandId === commandId ? workflowId : undefined;
}

export async function isRunning(client: Client, workflowId: string): Promise<boolean> {
  const newest = await findNewestRun(client, workflowId);
  return newest?.run.status.name === 'RUNNING';
}
