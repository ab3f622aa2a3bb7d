/** Orders in which a step keeps failing, and what their callers and operators see of that. */
import { WorkflowUpdateFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { orderWorkflowId } from '../../domain/workflow-ids.ts';
import { lockWallet } from './obstacles.ts';
import { refundHandleOf } from './refunds.ts';
import type { TestSystem } from './system.ts';
import { until } from './until.ts';

export function failingSteps({ shop, client, sql }: TestSystem) {
  const attentionOf = async (orderId: string) => (await shop.get(`/v1/orders/${orderId}`)).body['attention'];
  const untilMarked = (orderId: string) =>
    until(`order ${orderId} to be marked`, async () => (await attentionOf(orderId)) ?? undefined);

  return {
    workflowOf: (orderId: string) => client.workflow.getHandle(orderWorkflowId(orderId)),
    refundOf: (orderId: string) => refundHandleOf({ client, sql }, orderId),
    attentionOf,
    untilMarked,

    /** As recorded, also of an order that is not recorded itself. */
    marksOf: (orderId: string) =>
      sql<{ step: string; reason: string; cleared: boolean }[]>`
        select step, reason, cleared_at is not null as cleared from attention where order_id = ${orderId} order by raised_at
      `,

    interventionsOf: async (orderId: string) =>
      (await shop.get(`/v1/orders/${orderId}/interventions`)).body['items'],

    /** An order of 2 units at 500, whose wallet is locked while it is paid: the payment fails again and again. */
    failPayment: async ({ paymentMode = 'debit', funds = 5_000 } = {}) => {
      const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(funds)]);
      const id = await shop.placed(wallet, sku, 2, { paymentMode });
      const unlock = await lockWallet(sql, wallet);
      const paying = shop.pay(id);
      await untilMarked(id);
      return { sku, wallet, id, unlock, paying };
    },
  };
}

/** `<type>: <message>` of an update that a workflow's validator refused. */
export async function refusalOf(update: Promise<unknown>): Promise<string> {
  const error: unknown = await update.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof WorkflowUpdateFailedError && error.cause instanceof ApplicationFailure)
    return `${error.cause.type}: ${error.cause.message}`;
  throw new Error('The update was not refused.', { cause: error });
}
