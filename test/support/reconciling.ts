/** Orders to be damaged, and reconciliation on request. */
import { randomUUID } from 'node:crypto';
import type { WorkflowHandle } from '@temporalio/client';
import { z } from 'zod';
import { ALL_SHOPS } from '../../domain/shops.ts';
import { orderWorkflowId } from '../../domain/workflow-ids.ts';
import type { ReconcileEnd } from '../../domain/rules.ts';
import { WORKFLOW, type ReconcileInput } from '../../workflows/messages.ts';
import type { TestSystem } from './system.ts';

const findingSchema = z.looseObject({
  subject: z.string(),
  kind: z.string(),
  state: z.string(),
  lastSeen: z.string(),
});

export function reconciling({ client, shop, taskQueue }: TestSystem) {
  return {
    workflowOf: (orderId: string): WorkflowHandle => client.workflow.getHandle(orderWorkflowId(orderId)),

    reconcile: (repairCounters = false): Promise<ReconcileEnd> =>
      client.workflow.execute<(input: ReconcileInput) => Promise<ReconcileEnd>>(WORKFLOW.reconcile, {
        workflowId: `reconcile-${randomUUID()}`,
        taskQueue,
        args: [{ repairCounters, payments: true }],
      }),

    findingsAbout: async (subject: string) => {
      const { items } = (
        await shop.get('/v1/findings?limit=100', { headers: { 'Holdfast-Shop': ALL_SHOPS } })
      ).body;
      return z
        .array(findingSchema)
        .parse(items)
        .filter((finding) => finding.subject.includes(subject));
    },

    /** An order of 2 units at 500 out of 10, by a wallet with these funds. */
    placed: async ({ funds = 5_000, paymentMode = 'debit' } = {}) => {
      const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(funds)]);
      const id = await shop.placed(wallet, sku, 2, { paymentMode });
      return { sku, wallet, id };
    },
  };
}
