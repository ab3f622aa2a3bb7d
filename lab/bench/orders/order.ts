/** The workload that counts: a whole order as a program makes it, create and pay, on connections that stay open. */
import { expectStatus, type ApiClient, type Order } from '../../../api/client.ts';
import { orderWorkflowId } from '../../../domain/workflow-ids.ts';
import type { System } from '../../harness/system.ts';
import type { Catalogue } from '../catalogue.ts';
import { persist } from '../persist.ts';
import { timed, type Workload } from './workload.ts';

export function orderWorkload(api: ApiClient, catalogue: Catalogue, { servers }: System): Workload {
  return {
    name: 'order',
    worker: servers.worker,
    async doOne() {
      const order = catalogue.nextOrder();
      const create = await timed(() => persist((options) => api.createOrder(order, options)));
      const { id } = expectStage(expectStatus(create.result.answer, 201).body, 'awaiting_payment');
      const pay = await timed(() => persist((options) => api.payOrder(id, options)));
      expectStage(expectStatus(pay.result.answer, 200).body, 'paid');
      return {
        workflowId: orderWorkflowId(id),
        waited: { create: create.ms, pay: pay.ms },
        retries: create.result.retries + pay.result.retries,
      };
    },
  };
}

function expectStage(order: Order, stage: Order['stage']): Order {
  if (order.stage === stage) return order;
  throw new Error(`Order ${order.id} is ${order.stage} and not ${stage}.`);
}
