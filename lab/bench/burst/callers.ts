/**
 * The callers of `npm run bench -- burst`, in a process of their own, so that making the load and measuring it do not wait
 * for each other. Takes one plan as a message, and answers with its samples.
 */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { ApiClient, fetchFrom, secondsToWait, type Answer } from '../../../api/client.ts';
import { startLoad, type Load } from '../../harness/load.ts';
import { callersPlan, type Sample } from './plan.ts';

/** After this many refusals the promises in them cannot have been true. */
const MOST_ATTEMPTS = 50;
/** Of a caller whose request failed without an answer. */
const PAUSE_SECONDS = 1;

const [message] = await once(process, 'message');
const { apis, credentials, orders, load, payments } = callersPlan.parse(message);

const clients = apis.map((address) => new ApiClient(fetchFrom(address), credentials));
const taken: Sample[] = [];
const started = performance.now();
const now = () => performance.now() - started;
const turns = { request: 0, order: 0 };
const { signal } = new AbortController();

function nextClient(): ApiClient {
  const client = clients[turns.request++ % clients.length];
  if (client === undefined) throw new Error('There is at least one API.');
  return client;
}

/** Sends the same request, with the same key, as often and whenever its answer asks for that. */
async function obey(path: string, call: Sample['call'], body?: unknown): Promise<void> {
  const key = randomUUID();
  for (let attempt = 1; attempt <= MOST_ATTEMPTS; attempt += 1) {
    const sentAt = now();
    const answer = await nextClient()
      .post(path, body, { key })
      .catch((error: unknown) => String(error));
    taken.push({ call, attempt, sentAt, ms: now() - sentAt, ...describe(answer) });
    const wait = typeof answer === 'string' ? PAUSE_SECONDS : secondsToWait(answer);
    if (wait === undefined) return;
    await delay(wait * 1_000);
  }
}

function describe(answer: Answer<{ id: string }> | string): Pick<Sample, 'status' | 'code' | 'orderId'> {
  if (typeof answer === 'string') return { status: 0, code: answer };
  const { status, body } = answer;
  return { status, code: body.code, orderId: body.id };
}

const placeNext = () => obey('/v1/orders', 'create', orders[turns.order++ % orders.length]);
const pay = (number: number) => obey(`/v1/orders/${payments.orderIds[number]}/pay`, 'pay');

function placeOrders(): Load {
  switch (load.shape) {
    case 'burst':
      return startLoad({ callers: load.callers, count: load.callers, signal }, placeNext);
    case 'closed':
      return startLoad({ callers: load.callers, seconds: load.seconds, signal }, placeNext);
    case 'open': {
      const { perSecond } = load;
      const count = perSecond * load.seconds;
      return startLoad({ callers: count, count, perSecond, signal }, placeNext);
    }
  }
}

const placing = placeOrders();
const count = payments.orderIds.length;
const paying = startLoad({ callers: count, count, perSecond: payments.perSecond, signal }, pay);
await placing.done;
paying.stop();
await paying.done;
process.send?.(taken, () => process.disconnect());
