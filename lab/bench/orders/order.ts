/** The workload that counts: a whole order as a program makes it, create and pay, on connections that stay open. */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import {
  expectStatus,
  secondsToWait,
  type Answer,
  type ApiClient,
  type Order,
  type PostOptions,
} from '../../../api/client.ts';
import { orderWorkflowId } from '../../../domain/workflow-ids.ts';
import type { System } from '../../harness/system.ts';
import type { Catalogue } from '../catalogue.ts';
import { timed, type Workload } from './workload.ts';

/** An API that refuses more often than this has failed. */
const MOST_RETRIES = 10;

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

/** Sends a request again, with the same key, as long as the API asks for that: its caller has waited all that time. */
async function persist(
  send: (options: PostOptions) => Promise<Answer<Order>>,
): Promise<{ answer: Answer<Order>; retries: number }> {
  const key = randomUUID();
  for (let retries = 0; ; retries += 1) {
    const answer = await send({ key });
    if (answer.status !== 503 || retries === MOST_RETRIES) return { answer, retries };
    await delay((secondsToWait(answer) ?? 1) * 1_000);
  }
}
