/**
 * Whatever process is killed while payments are under way, and at whichever moment: when it runs again, every payment goes on, each caller
 * gets the answer to their key, and no money is taken, kept or given back twice.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, expect, inject, test } from 'vitest';
import { fetchFrom } from '../../api/client.ts';
import type { Source } from '../../dev/provider/behaviour.ts';
import { orderWorkflowId, paymentWorkflowId } from '../../domain/workflow-ids.ts';
import { WORKFLOW, orderQuery, paymentQuery, resolvePaymentUpdate } from '../../workflows/messages.ts';
import type { Answer } from '../support/answer.ts';
import { expectRulesHold } from '../support/database.ts';
import { expectNoMoneyLost, keptOf, paymentStatesOf, readBook } from '../support/payments.ts';
import { startPayingSystem } from '../support/paying-system.ts';
import { TEST_KEYS } from '../support/personal-data.ts';
import { plant } from '../support/planted.ts';
import { PROVIDER_SECRET } from '../support/provider.ts';
import { reconciling } from '../support/reconciling.ts';
import { startScript, type TestProcess } from '../support/server-process.ts';
import { Shop, expectStatus } from '../support/shop.ts';
import { until } from '../support/until.ts';

const system = await startPayingSystem();
const { shop, sql, url, taskQueue, client, provider, relay, startWorker, stopWorker } = system;
const { reconcile, workflowOf } = reconciling(system);

afterEach(() => expectRulesHold(sql));

const environment = {
  DATABASE_URL: url,
  TEMPORAL_ADDRESS: inject('temporalAddress'),
  TASK_QUEUE: taskQueue,
};

/** Sources that are answered late, twice or not at all: so that there is a moment for the kill. */
const SOURCES: readonly Source[] = [
  'ok',
  'pending',
  'open-lost',
  'open-silence',
  'capture-lost',
  'notified-late',
];

interface Paid {
  id: string;
  wallet: string;
  calls: { part: object; key: string }[];
}

/** An order of 1,000, of which a wallet is to pay 300 and the provider the rest. */
async function placed(source: Source): Promise<Paid> {
  const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(5_000)]);
  const id = await shop.placed(wallet, sku, 2);
  const parts = [
    { method: 'wallet', amount: 300 },
    { method: 'provider', amount: 700, source },
  ];
  return { id, wallet, calls: parts.map((part) => ({ part, key: randomUUID() })) };
}

const send = ({ id }: Paid, { part, key }: Paid['calls'][number], to: Shop): Promise<Answer> =>
  to.post(`/v1/orders/${id}/payments`, part, { key });

/** Sends each part until it is answered for good. */
const sendAll = (order: Paid): Promise<Answer[]> =>
  Promise.all(
    order.calls.map((call) =>
      until(
        'a final answer',
        async () => {
          const answer = await send(order, call, shop);
          return answer.headers.get('retry-after') === null ? answer : undefined;
        },
        90_000,
      ),
    ),
  );

/** Begins to pay for one order of each source through this API, and kills something in the middle of it. */
async function payWhileKilled(to: Shop, kill: () => Promise<void>): Promise<Paid[]> {
  const orders = await Promise.all(SOURCES.map(placed));
  const begun = orders.flatMap((order, index) =>
    order.calls.map(async (call) => {
      await delay(index * 50);
      await send(order, call, to).catch(() => undefined);
    }),
  );
  await delay(SOURCES.length * 25);
  await kill();
  await Promise.all(begun);
  return orders;
}

/** Sends all again, lets every second order be cancelled, and expects each to be as if nothing had happened. */
async function expectAsIfNothingHappened(orders: readonly Paid[]): Promise<void> {
  const answers = await Promise.all(orders.map(sendAll));
  for (const { status, body } of answers.flat()) expect(status, JSON.stringify(body)).toBe(201);
  for (const [index, { id }] of orders.entries()) {
    await until(`order ${id} to be paid`, async () => (await shop.stageOf(id)) === 'paid', 90_000);
    if (index % 2 === 0) expectStatus(await shop.refund(id, true), 200);
  }
  await expectNoMoneyLost(sql, provider.settings);
  for (const [index, { id, wallet }] of orders.entries()) {
    const { posted, held } = expectStatus(await shop.getWallet(wallet), 200).body;
    const isRefunded = index % 2 === 0;
    expect([posted, held, await keptOf(provider.settings, id)]).toEqual(
      isRefunded ? [5_000, 0, 0] : [4_700, 0, 700],
    );
  }
}

async function killed(process: TestProcess): Promise<void> {
  process.child.kill('SIGKILL');
  expect(await process.ended).toBe('SIGKILL');
}

test('a provider that is killed and started again', async () => {
  await expectAsIfNothingHappened(
    await payWhileKilled(shop, async () => {
      await provider.restart();
    }),
  );
}, 240_000);

test('a person who says that a payment is authorised, while its provider is down and never said so', async () => {
  const { id, wallet, calls } = await placed('open-silence');
  relay.to(undefined);
  const paying = send(
    { id, wallet, calls },
    { part: { method: 'provider', source: 'open-silence' }, key: randomUUID() },
    shop,
  );
  await until('the provider to have it', async () => {
    const book = await readBook(provider.settings);
    return book.some(({ order, state }) => order === id && state === 'authorised');
  });
  await killed(provider.process);
  const [payment] = await sql<{ id: string }[]>`select id from payment where order_id = ${id}`;
  const workflow = client.workflow.getHandle(paymentWorkflowId(payment?.id ?? ''));
  await until(
    'it to be unknown',
    async () => (await workflow.query(paymentQuery)).unknownSince !== null,
    30_000,
  );
  const by = { actor: 'dana', reason: 'the provider told me by telephone', outcome: 'authorised' } as const;
  await workflow.executeUpdate(resolvePaymentUpdate, { args: [by] });
  expectStatus(await paying, 201);
  await provider.restart();
  relay.to(system.send);
  await until('the order to be paid', async () => (await shop.stageOf(id)) === 'paid', 60_000);
  await expectNoMoneyLost(sql, provider.settings);
  expect(await keptOf(provider.settings, id)).toBe(1_000);
}, 120_000);

test('an API that is killed', async () => {
  const api = startScript('api/main.ts', {
    ...environment,
    ...TEST_KEYS,
    PAYMENT_PROVIDER_SECRETS: PROVIDER_SECRET,
    PORT: '0',
    RATE_LIMIT_READS: '0',
    RATE_LIMIT_WRITES: '0',
    RATE_LIMIT_ORDERS: '0',
  });
  const { port } = await api.says('listening');
  const victim = new Shop(fetchFrom(`http://127.0.0.1:${String(port)}`));
  await until('the API to be ready', async () => (await victim.get('/readyz')).status === 200, 60_000);
  await expectAsIfNothingHappened(await payWhileKilled(victim, () => killed(api)));
}, 240_000);

test('a worker that is killed', async () => {
  await stopWorker();
  const worker = startScript('worker/main.ts', {
    ...environment,
    WORKFLOW_BUNDLE: inject('workflowBundlePath'),
    PAYMENT_PROVIDER_URL: provider.settings.url,
    PAYMENT_PROVIDER_KEY: provider.settings.key,
  });
  await worker.says('worker ready');
  const orders = await payWhileKilled(shop, () => killed(worker));
  await startWorker();
  await expectAsIfNothingHappened(orders);
}, 240_000);

test('workflows of payments and of their orders that are terminated, once the schedules have looked', async () => {
  const orders = await payWhileKilled(shop, async () => {
    const payments = await sql<{ id: string; orderId: string }[]>`
      select id, order_id as "orderId" from payment where state in ('pending', 'authorised', 'capturing')
    `;
    const ids = payments.flatMap(({ id, orderId }) => [paymentWorkflowId(id), orderWorkflowId(orderId)]);
    await Promise.all(
      [...new Set(ids)].map((id) =>
        client.workflow
          .getHandle(id)
          .terminate('by mistake')
          .catch(() => {}),
      ),
    );
  });
  await reconcile();
  // What changed a moment ago is left to those who are at it: the schedule comes by each minute.
  await sql`update payment set updated_at = updated_at - interval '1 minute' where state in ('pending', 'authorised', 'capturing')`;
  await client.workflow.execute(WORKFLOW.payments, { workflowId: `payments-${randomUUID()}`, taskQueue });
  await expectAsIfNothingHappened(orders);
}, 240_000);

test('the workflow of an order that is terminated while its money is being taken, and is started again after its deadline', async () => {
  const orders = await Promise.all([placed('capture-error'), placed('capture-error')]);
  const paying = orders.map(sendAll);
  const untilTaken = orders.map(({ id }) =>
    until(
      'its money to be taken',
      async () => (await paymentStatesOf(sql, id)).join() === 'captured,capturing',
    ),
  );
  await Promise.all(untilTaken);
  provider.process.child.kill('SIGSTOP');
  for (const { id } of orders) await workflowOf(id).terminate('by mistake');
  for (const { id } of orders)
    await plant(
      sql,
      (to) => to`update orders set payment_deadline = now() - interval '1 hour' where id = ${id}`,
    );
  await reconcile();
  for (const { id } of orders) {
    await until(
      'the new run to wait for its money',
      async () => (await workflowOf(id).query(orderQuery)).stage === 'paying',
    );
    expect(await shop.stageOf(id)).toBe('awaiting_payment');
  }
  const [kept, cancelled] = orders;
  const cancelling = shop.cancel(cancelled?.id ?? '');
  provider.process.child.kill('SIGCONT');
  expectStatus(await cancelling, 200);
  for (const { id } of orders) await workflowOf(id).result();
  await Promise.all(paying);
  await expectNoMoneyLost(sql, provider.settings);
  expect(await shop.stageOf(kept?.id ?? '')).toBe('paid');
  expect(await shop.stageOf(cancelled?.id ?? '')).toBe('refunded');
  for (const { id, wallet } of orders) {
    const isPaid = id === kept?.id;
    expect(await keptOf(provider.settings, id)).toBe(isPaid ? 700 : 0);
    expect(await shop.balanceOf(wallet)).toEqual({ posted: isPaid ? 4_700 : 5_000, held: 0 });
  }
}, 120_000);
