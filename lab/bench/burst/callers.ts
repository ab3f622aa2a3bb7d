/**
 * The callers of `npm run bench -- burst`, in a process of their own, so that making the load and measuring it do not wait for
 * each other. Takes one plan as a message, and answers with its samples.
 */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { apiClient, type Call, type Reply } from '../../../dev/api-client.ts';
import { callersPlan, type Sample } from './plan.ts';

const problem = z.object({ code: z.string() });
const order = z.object({ id: z.string() });
/** After as many refusals the promises cannot have been true. */
const MOST_ATTEMPTS = 50;

const [message] = await once(process, 'message');
const { apis, orders, load, payments } = callersPlan.parse(message);

const calls = apis.map((address) => apiClient(address));
const taken: Sample[] = [];
const started = performance.now();
const now = () => performance.now() - started;
const turns = { request: 0, order: 0, payment: 0 };

function nextCall(): Call {
  const call = calls[turns.request++ % calls.length];
  if (call === undefined) throw new Error('There is at least one API.');
  return call;
}

/** Sends the same request, with the same key, as often and whenever its answer asks for that. */
async function obey(path: string, call: Sample['call'], body?: unknown): Promise<void> {
  const options = { key: randomUUID(), ...(body !== undefined && { body }) };
  for (let attempt = 1; attempt <= MOST_ATTEMPTS; attempt += 1) {
    const sentAt = now();
    const reply = await nextCall()('POST', path, options).catch(gaveUp);
    taken.push({
      call,
      attempt,
      sentAt,
      ms: now() - sentAt,
      status: reply.status,
      code: problem.safeParse(reply.body).data?.code,
      orderId: order.safeParse(reply.body).data?.id,
    });
    if (reply.retryAfter === undefined) return;
    await delay(reply.retryAfter * 1_000);
  }
}

const gaveUp = (error: unknown): Reply => ({ status: 0, body: { code: String(error) }, retryAfter: 1 });

const placeNext = () => obey('/v1/orders', 'create', orders[turns.order++ % orders.length]);
const payNext = () => obey(`/v1/orders/${payments.orderIds[turns.payment++]}/pay`, 'pay');

/** Begins one after the other at that rate, also when those before have not ended. */
async function atRate(perSecond: number, goesOn: (begun: number) => boolean, one: () => Promise<void>) {
  const begun: Promise<void>[] = [];
  while (goesOn(begun.length)) {
    begun.push(one());
    await delay(Math.max(0, (begun.length / perSecond) * 1_000 - now()));
  }
  await Promise.all(begun);
}

async function placeOrders(): Promise<void> {
  switch (load.shape) {
    case 'burst':
      await Promise.all(Array.from({ length: load.callers }, placeNext));
      return;
    case 'closed': {
      const { callers, seconds } = load;
      const caller = async () => {
        while (now() < seconds * 1_000) await placeNext();
      };
      await Promise.all(Array.from({ length: callers }, caller));
      return;
    }
    case 'open': {
      const { perSecond, seconds } = load;
      await atRate(perSecond, (begun) => begun < perSecond * seconds, placeNext);
    }
  }
}

const progress = { placing: true };
const placing = placeOrders().finally(() => {
  progress.placing = false;
});
const goesOn = (begun: number) => progress.placing && begun < payments.orderIds.length;
await Promise.all([placing, atRate(payments.perSecond, goesOn, payNext)]);
process.send?.(taken, () => process.disconnect());
