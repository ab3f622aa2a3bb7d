/** An API process that is killed between any two steps of a request leaves nothing that the retry does not find. */
import { randomUUID } from 'node:crypto';
import { describe, expect, inject, test } from 'vitest';
import { fetchFrom } from '../../api/client.ts';
import type { Answer } from '../support/answer.ts';
import { expectRulesHold } from '../support/database.ts';
import { lockKey } from '../support/obstacles.ts';
import { TEST_KEYS } from '../support/personal-data.ts';
import { startProxy } from '../support/proxy.ts';
import { startScript, type TestProcess } from '../support/server-process.ts';
import { Shop, expectStatus, idOf } from '../support/shop.ts';
import { startSystem } from '../support/system.ts';
import { until } from '../support/until.ts';

const system = await startSystem();
const { shop, sql, url, taskQueue } = system;
/** Between the API process and its servers. The worker and the retries have their own connections. */
const toDatabase = await startProxy(url);
const toTemporal = await startProxy(`http://${inject('temporalAddress')}`);

interface Victim {
  api: TestProcess;
  shop: Shop;
}

/** A real API process that has used both of its servers. */
async function startVictim(): Promise<Victim> {
  const api = startScript('api/main.ts', {
    DATABASE_URL: toDatabase.through(url),
    TEMPORAL_ADDRESS: `127.0.0.1:${toTemporal.port}`,
    TASK_QUEUE: taskQueue,
    ...TEST_KEYS,
    PORT: '0',
    // The API of the test system counts against the same limits, which are far larger there.
    RATE_LIMIT_READS: '0',
    RATE_LIMIT_WRITES: '0',
    RATE_LIMIT_ORDERS: '0',
  });
  const { port } = await api.says('listening');
  const victim = new Shop(fetchFrom(`http://127.0.0.1:${String(port)}`));
  // On a busy machine its first connections may take longer than it waits for them.
  await until('the API to reach both of its servers', async () =>
    (await victim.get('/readyz')).status === 200 ? true : undefined,
  );
  return { api, shop: victim };
}

async function kill({ api }: Victim): Promise<void> {
  api.child.kill('SIGKILL');
  expect(await api.ended).toBe('SIGKILL');
  for (const proxy of [toDatabase, toTemporal]) proxy.heal();
}

/** A request, how it can be sent again, and what has to be there in the end. */
interface Request {
  operation: string;
  key: string;
  status: number;
  send: (by: Shop) => Promise<Answer>;
  /** Whether the database has the effect. */
  isDone: () => Promise<boolean>;
  /** Expects the effect once. */
  expectOnce: (answer: Answer) => Promise<void>;
}

async function creation(): Promise<Request> {
  const [sku, wallet, key] = [await shop.sku(10), await shop.wallet(5_000), randomUUID()];
  const orders = () => sql<{ id: string }[]>`select id from orders where wallet_id = ${wallet}`;
  return {
    operation: 'createOrder',
    key,
    status: 201,
    send: (by) => by.order(wallet, [{ sku, quantity: 1 }], {}, { key }),
    isDone: async () => (await orders()).length > 0,
    expectOnce: async (answer) => {
      expect([...(await orders())]).toEqual([{ id: idOf(answer) }]);
      expect(answer.headers.get('location')).toBe(`/v1/orders/${idOf(answer)}`);
      expect(await shop.stockOf(sku)).toEqual({ onHand: 10, reserved: 1, available: 9 });
    },
  };
}

const PERSONAL = { contact: { name: 'Ada', email: 'ada@example.com' }, deliveryNote: 'Ring twice' };

async function creationWithPersonalFields(): Promise<Request> {
  const [sku, buyerId, key] = [await shop.sku(10), randomUUID(), randomUUID()];
  const wallet = await shop.wallet(5_000, 'EUR', buyerId);
  const orders = () => sql<{ id: string }[]>`select id from orders where wallet_id = ${wallet}`;
  return {
    operation: 'createOrder',
    key,
    status: 201,
    send: (by) => by.order(wallet, [{ sku, quantity: 1 }], { buyerId, ...PERSONAL }, { key }),
    isDone: async () => (await orders()).length > 0,
    expectOnce: async (answer) => {
      const id = idOf(answer);
      expect([...(await orders())]).toEqual([{ id }]);
      expect(await sql`select order_id as id from personal_data where buyer_id = ${buyerId}`).toEqual([
        { id },
      ]);
      expect(await sql`select from buyer_key where buyer_id = ${buyerId}`).toHaveLength(1);
      expect((await shop.getOrder(id)).body).toMatchObject(PERSONAL);
    },
  };
}

async function paymentRequest(): Promise<Request> {
  const [sku, wallet, key] = [await shop.sku(10), await shop.wallet(5_000), randomUUID()];
  const id = await shop.placed(wallet, sku);
  return {
    operation: 'payOrder',
    key,
    status: 200,
    send: (by) => by.pay(id, { key }),
    isDone: async () => (await shop.stageOf(id)) === 'paid',
    expectOnce: async (answer) => {
      expect(answer.body).toMatchObject({ id, stage: 'paid' });
      expect(await sql`select from transfer where order_id = ${id}`).toHaveLength(1);
      expect(await shop.balanceOf(wallet)).toEqual({ posted: 4_500, held: 0 });
    },
  };
}

/** A part of an order of which another part was refunded before. */
async function refundRequest(): Promise<Request> {
  const [sku, wallet, key] = [await shop.sku(10), await shop.wallet(5_000), randomUUID()];
  const id = await shop.placed(wallet, sku);
  expectStatus(await shop.pay(id), 200);
  const part = { reason: 'scratched', amount: 100 };
  expectStatus(await shop.refundOrder(id, part), 200);
  const refunded = async () => (await shop.getOrder(id)).body.refunded;
  return {
    operation: 'refundOrder',
    key,
    status: 200,
    send: (by) => by.refundOrder(id, part, { key }),
    isDone: async () => (await refunded()) === 200,
    expectOnce: async (answer) => {
      expect(answer.body).toMatchObject({ id, stage: 'paid', refunded: 200 });
      expect(await refunded()).toBe(200);
      expect(await shop.balanceOf(wallet)).toEqual({ posted: 4_700, held: 0 });
    },
  };
}

interface Kept {
  commandId: string;
  status: number | null;
  body: string | null;
}

const keptOf = async ({ operation, key }: Request): Promise<Kept | undefined> => {
  const [kept] = await sql<Kept[]>`
    select command_id as "commandId", response_status as status, response_body::text as body
    from idempotency_key
    where operation = ${operation} and key = ${key}
  `;
  return kept;
};

const untilClaimed = (request: Request) => until('the claim', () => keptOf(request));

/** The sessions that wait to keep an answer. */
const waitingToKeep = () => sql<{ pid: number }[]>`
  select pid from pg_stat_activity
  where datname = current_database() and wait_event_type = 'Lock' and query like '%update idempotency_key set response_status%'
`;

/** Sends a request of which nobody hears the answer. */
const sendInVain = (request: Request, { shop: victim }: Victim): Promise<Answer | undefined> =>
  request.send(victim).catch(() => undefined);

/** Leaves a request that has had its effect where it is about to keep its answer, and keeps it from doing so. */
async function stopBeforeKeeping(request: Request, victim: Victim) {
  toTemporal.cut('answers');
  const sent = sendInVain(request, victim);
  await untilClaimed(request);
  const unlock = await lockKey(sql, request.key);
  await until('the effect', request.isDone);
  toTemporal.heal('resume');
  const [session] = await until('the answer to be kept', async () => {
    const waiting = await waitingToKeep();
    return waiting.length > 0 ? waiting : undefined;
  });
  return { sent, unlock, pid: session?.pid ?? 0 };
}

/** Each kills the process in one gap between two steps, and says whether the answer was kept by then. */
const GAPS: readonly [string, (request: Request, victim: Victim) => Promise<{ isKept: boolean }>][] = [
  [
    'after it claimed the key and before the command went out',
    async (request, victim) => {
      toTemporal.cut();
      const sent = sendInVain(request, victim);
      await untilClaimed(request);
      await kill(victim);
      await sent;
      return { isKept: false };
    },
  ],
  [
    'after the command took effect and before it heard so',
    async (request, victim) => {
      toTemporal.cut('answers');
      const sent = sendInVain(request, victim);
      await until('the effect', request.isDone);
      await kill(victim);
      await sent;
      return { isKept: false };
    },
  ],
  [
    'after it heard of the effect and before the answer was kept',
    async (request, victim) => {
      const { sent, unlock, pid } = await stopBeforeKeeping(request, victim);
      await kill(victim);
      // PostgreSQL notices that the process is gone only when it has the lock and has kept the answer.
      await sql`select pg_terminate_backend(${pid})`;
      await until('the session to end', async () => (await waitingToKeep()).length === 0);
      await unlock();
      await sent;
      return { isKept: false };
    },
  ],
  [
    'after the answer was kept and before it heard so',
    async (request, victim) => {
      const { sent, unlock } = await stopBeforeKeeping(request, victim);
      toDatabase.cut('answers');
      await unlock();
      await until('the answer to be kept', async () => (await keptOf(request))?.status !== null);
      await kill(victim);
      await sent;
      return { isKept: true };
    },
  ],
  [
    'after it sent the answer, which its caller did not hear',
    async (request, victim) => {
      expectStatus(await request.send(victim.shop), request.status);
      await kill(victim);
      return { isKept: true };
    },
  ],
];

/** The sessions that wait to record personal fields. */
const waitingToRecord = () => sql<{ pid: number }[]>`
  select pid from pg_stat_activity
  where datname = current_database() and wait_event_type = 'Lock' and query like '%insert into personal_data%'
`;

/** Lets a request come as far as the statement that records its personal fields, and no further. */
async function stopBeforeRecording(request: Request, victim: Victim) {
  const { promise: free, resolve: unlock } = Promise.withResolvers<void>();
  const { promise: locked, resolve: begin } = Promise.withResolvers<void>();
  const locking = sql.begin(async (transaction) => {
    await transaction`lock table personal_data in share row exclusive mode`;
    begin();
    await free;
  });
  await locked;
  const sent = sendInVain(request, victim);
  const [session] = await until('the fields to be recorded', async () => {
    const waiting = await waitingToRecord();
    return waiting.length > 0 ? waiting : undefined;
  });
  return {
    sent,
    pid: session?.pid ?? 0,
    unlock: async () => {
      unlock();
      await locking;
    },
  };
}

const GAPS_OF_PERSONAL_FIELDS: typeof GAPS = [
  [
    'before its personal fields were recorded',
    async (request, victim) => {
      const { sent, pid, unlock } = await stopBeforeRecording(request, victim);
      await kill(victim);
      await sql`select pg_terminate_backend(${pid})`;
      await until('the session to end', async () => (await waitingToRecord()).length === 0);
      await unlock();
      await sent;
      return { isKept: false };
    },
  ],
  [
    'after its personal fields were recorded and before it heard so',
    async (request, victim) => {
      const { sent, unlock } = await stopBeforeRecording(request, victim);
      toDatabase.cut('answers');
      await unlock();
      await until('the fields to be recorded', async () => (await waitingToRecord()).length === 0);
      await kill(victim);
      await sent;
      return { isKept: false };
    },
  ],
];

describe.each([
  ['an order', creation, GAPS],
  [
    'an order with personal fields',
    creationWithPersonalFields,
    [...GAPS_OF_PERSONAL_FIELDS, ...GAPS.slice(0, 1)],
  ],
  ['a payment', paymentRequest, GAPS],
  ['a refund in part', refundRequest, GAPS.slice(0, 2)],
] as const)('the request for %s', (_, make, gaps) => {
  test.each(gaps)(
    'has its effect once when the API is killed %s, and the retry gets the answer',
    async (_gap, leave) => {
      const [request, victim] = [await make(), await startVictim()];
      const { isKept } = await leave(request, victim);
      const left = await keptOf(request);
      expect(left).toMatchObject({ status: isKept ? request.status : null });

      const answer = await until('an answer to the retry', async () => {
        const heard = await request.send(shop);
        return heard.body['code'] === 'idempotency_in_progress' ? undefined : heard;
      });
      expectStatus(answer, request.status);
      await request.expectOnce(answer);
      expect(answer.headers.get('idempotency-replayed')).toBe(isKept ? 'true' : null);
      if (isKept) expect(JSON.stringify(answer.body)).toBe(left?.body);

      const again = expectStatus(await request.send(shop), request.status);
      expect(again.headers.get('idempotency-replayed')).toBe('true');
      expect(again.body).toEqual(answer.body);
      expect(await keptOf(request)).toMatchObject({ commandId: left?.commandId });
      await request.expectOnce(again);
      await expectRulesHold(sql);
    },
    60_000,
  );
});
