/** Wakes the workflow that sends to a webhook, and starts it when it does not run. */
import type { Client, WorkflowStartOptions } from '@temporalio/client';
import { sendingQueueOf, webhookWorkflowId } from '../domain/workflow-ids.ts';
import {
  WORKFLOW,
  newsSignal,
  type DeliverWebhookEnd,
  type DeliverWebhookInput,
} from '../workflows/messages.ts';

export type WebhookWorkflow = (input: DeliverWebhookInput) => Promise<DeliverWebhookEnd>;

const webhookStart = (webhookId: string, taskQueue: string) =>
  ({
    workflowId: webhookWorkflowId(webhookId),
    taskQueue,
    args: [{ webhookId, sendingQueue: sendingQueueOf(taskQueue) }],
    staticSummary: 'Sends events to the webhook of a shop',
    workflowIdReusePolicy: 'ALLOW_DUPLICATE',
    workflowIdConflictPolicy: 'USE_EXISTING',
  }) satisfies WorkflowStartOptions<WebhookWorkflow>;

/** May be called any number of times. @param taskQueue of the deployment. */
export async function wakeWebhook(client: Client, taskQueue: string, webhookId: string): Promise<void> {
  await client.workflow.signalWithStart<WebhookWorkflow>(WORKFLOW.deliverWebhook, {
    ...webhookStart(webhookId, taskQueue),
    signal: newsSignal,
    signalArgs: [],
  });
}
