/** Workflows that failed. Only a refund may: when it is refused for good, and then its caller hears why. */
import { WorkflowFailedError, type Client, type WorkflowExecutionInfo } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { REFUND_REFUSALS } from '../../domain/order.ts';
import { WORKFLOW } from '../../workflows/messages.ts';
import type { Violation } from './figures.ts';

const REFUSALS: readonly string[] = ['order_not_refundable', ...REFUND_REFUSALS];

export async function findFailedWorkflows(client: Client): Promise<Violation[]> {
  const found: Violation[] = [];
  // A minute that could not be measured is meant to show as failed.
  const query = `ExecutionStatus IN ('Failed', 'Terminated', 'TimedOut') AND WorkflowType != '${WORKFLOW.monitor}'`;
  for await (const workflow of client.workflow.list({ query })) {
    const why = await explainFailure(client, workflow);
    if (workflow.type === WORKFLOW.refund && REFUSALS.includes(why.type)) continue;
    found.push({
      rule: 'no workflow fails',
      subject: `workflow ${workflow.workflowId}`,
      finding: `ended as ${workflow.status.name}: ${why.message}`,
    });
  }
  return found;
}

async function explainFailure(
  client: Client,
  { workflowId, runId }: WorkflowExecutionInfo,
): Promise<{ type: string; message: string }> {
  try {
    await client.workflow.getHandle(workflowId, runId, { followRuns: false }).result();
  } catch (error) {
    if (!(error instanceof WorkflowFailedError)) throw error;
    const { cause } = error;
    const type = cause instanceof ApplicationFailure ? (cause.type ?? '') : '';
    return { type, message: (cause ?? error).message };
  }
  return { type: '', message: 'without a failure' };
}
