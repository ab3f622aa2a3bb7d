import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { expectStatus, type Call, type Reply } from '../../../dev/api-client.ts';
import { orderWorkflowId } from '../../../domain/workflow-ids.ts';
import type { Shop } from '../shop.ts';
import type { System } from '../../harness/system.ts';
import { timed, type Workload } from './workload.ts';

const created = z.object({ id: z.string(), stage: z.literal('awaiting_payment') });
const paid = z.object({ stage: z.literal('paid') });

/** What is away for longer has failed. */
const MOST_RETRIES = 10;

/** A whole order as a program makes it: create, then pay, through the HTTP API on connections that stay open. */
export function orderWorkload(call: Call, shop: Shop, { processes }: System): Workload {
  return {
    name: 'order',
    workerPid: processes.worker,
    async doOne() {
      const order = shop.nextOrder();
      const create = await timed(() => post(call, '/v1/orders', order));
      const { id } = created.parse(expectStatus(create.result.reply, 201));
      const pay = await timed(() => post(call, `/v1/orders/${id}/pay`));
      paid.parse(expectStatus(pay.result.reply, 200));
      return {
        workflowId: orderWorkflowId(id),
        waited: { create: create.ms, pay: pay.ms },
        retries: create.result.retries + pay.result.retries,
      };
    },
  };
}

/** Sends a request again, with the same key, while the API asks for that: its caller has waited all that time. */
async function post(call: Call, path: string, body?: object): Promise<{ reply: Reply; retries: number }> {
  const key = randomUUID();
  const send = (): Promise<Reply> => call('POST', path, body === undefined ? { key } : { key, body });
  let reply = await send();
  let retries = 0;
  while (reply.status === 503 && retries < MOST_RETRIES) {
    retries += 1;
    await delay((reply.retryAfter ?? 1) * 1_000);
    reply = await send();
  }
  return { reply, retries };
}
