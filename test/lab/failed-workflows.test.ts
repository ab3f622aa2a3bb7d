/** The checker of a fault run tells a refund that was refused from a workflow that failed. */
import { randomUUID } from 'node:crypto';
import { WorkflowFailedError } from '@temporalio/client';
import { expect, test } from 'vitest';
import { findFailedWorkflows } from '../../lab/faults/failed-workflows.ts';
import { refundWorkflowId } from '../../domain/workflow-ids.ts';
import { WORKFLOW } from '../../workflows/messages.ts';
import { startSystem } from '../support/system.ts';
import { until } from '../support/until.ts';

const { shop, client, taskQueue } = await startSystem();

test('a refund that is refused is no failed workflow, and one that was terminated is', async () => {
  const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(5_000)]);
  const orderId = await shop.placed(wallet, sku, 2);
  await shop.pay(orderId);
  const begin = (amount: number) => {
    const commandId = randomUUID();
    const input = { orderId, commandId, reason: 'broken', amount, restock: false, attentionAfter: 60_000 };
    const workflowId = refundWorkflowId(orderId, commandId);
    return client.workflow.start(WORKFLOW.refund, { workflowId, taskQueue, args: [input] });
  };
  const refused = await begin(5_000);
  await expect(refused.result()).rejects.toThrow(WorkflowFailedError);
  const terminated = await client.workflow.start(WORKFLOW.refund, {
    workflowId: refundWorkflowId(orderId, randomUUID()),
    taskQueue: `${taskQueue}-that-nobody-polls`,
    args: [],
  });
  await terminated.terminate();

  const subjects = await until('the terminated workflow to be listed', async () => {
    const found = (await findFailedWorkflows(client)).map(({ subject }) => subject);
    return found.includes(`workflow ${terminated.workflowId}`) ? found : undefined;
  });
  expect(subjects).not.toContain(`workflow ${refused.workflowId}`);
  const { status } = await refused.describe();
  expect(status.name).toBe('FAILED');
});
