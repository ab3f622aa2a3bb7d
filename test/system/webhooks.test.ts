/** The outcome for events whose receivers are down, slow or wrong, on the real system and with moved time. */
import { v7 as uuidv7 } from 'uuid';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { wakeWebhook } from '../../client/webhooks.ts';
import { changeWebhook } from '../../db/webhooks/change.ts';
import { removeWebhook } from '../../db/webhooks/webhooks.ts';
import { SENDING_LEASE_MS } from '../../domain/timeouts.ts';
import { ALL_SHOPS } from '../../domain/shops.ts';
import { makeWebhookSecret, sealWebhookSecret } from '../../domain/webhook-secrets.ts';
import { webhookWorkflowId } from '../../domain/workflow-ids.ts';
import { WORKFLOW, type WebhooksEnd } from '../../workflows/messages.ts';
import { expectRulesHold } from '../support/database.ts';
import { startScript } from '../support/server-process.ts';
import { startSystem } from '../support/system.ts';
import { until } from '../support/until.ts';
import {
  isSignedWith,
  startWebhookReceiver,
  type Arrived,
  type WebhookReceiver,
} from '../support/webhook-receiver.ts';
import { TEST_WEBHOOK_KEYS, readWebhookKeys, registerWebhook } from '../support/webhooks.ts';

const system = await startSystem({ webhooks: true });
const { database, sql, shop, clock, client, taskQueue } = system;
const api = database.reaching({ shop: ALL_SHOPS });
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const receivers: WebhookReceiver[] = [];
const registered: string[] = [];
let walletId = '';
let sku = '';

/** A receiver with its webhook. */
async function aReceiver() {
  const receiver = await startWebhookReceiver();
  receivers.push(receiver);
  const { id, secret } = await registerWebhook(api, { url: receiver.url });
  registered.push(id);
  return { ...receiver, id, secret };
}

beforeEach(async () => {
  walletId = await shop.wallet(1_000_000);
  sku = await shop.sku(1_000);
});
afterEach(async () => {
  for (const id of registered.splice(0)) {
    await removeWebhook(api, { id, ifVersion: undefined });
    await client.workflow.getHandle(webhookWorkflowId(id)).terminate().catch(ignore);
  }
  for (const receiver of receivers.splice(0)) await receiver.down();
  await expectRulesHold(sql);
});

async function paid(): Promise<string> {
  const id = await shop.placed(walletId, sku);
  await shop.pay(id);
  return id;
}

/** The versions of an order that arrived and were taken, each at its first arrival. */
const versionsOf = ({ arrived }: WebhookReceiver, orderId: string) => [
  ...new Set(
    arrived
      .filter(
        ({ event, answered }) =>
          event.data.orderId === orderId &&
          (answered === 'slow head' || (typeof answered === 'number' && answered < 300)),
      )
      .map(({ event }) => event.data.version),
  ),
];

const all = (receiver: WebhookReceiver, orderIds: readonly string[], what = 'every event to arrive') =>
  until(what, () =>
    Promise.resolve(orderIds.every((orderId) => versionsOf(receiver, orderId).join() === '1,2')),
  );

const stateOf = async (id: string) => {
  const [row] = await sql<{ state: string; reason: string | null; failures: number; retryAt: Date | null }[]>`
    select state, disabled_reason as reason, failures, retry_at as "retryAt" from webhook where id = ${id}
  `;
  if (row === undefined) throw new Error('There is no such webhook.');
  return row;
};

const detailsOf = async (id: string): Promise<string> =>
  (
    await client.workflow
      .getHandle(webhookWorkflowId(id))
      .query<{ currentDetails: string }>('__temporal_workflow_metadata')
  ).currentDetails;

/** It may have ended. */
const ignore = () => {};

const openDeliveries = async (id: string) =>
  sql<{ orderId: string; version: number; attempts: number; dueAt: Date; state: string }[]>`
    select order_id as "orderId", version, attempts, due_at as "dueAt", state from webhook_delivery
    where webhook_id = ${id} and state <> 'delivered'
    order by sequence
  `;

/** Returns the alerts about failing webhooks. */
async function runMonitor() {
  await client.workflow.execute(WORKFLOW.monitor, { workflowId: `monitor-${uuidv7()}`, taskQueue });
  return sql<{ closedAt: Date | null; value: number }[]>`
    select closed_at as "closedAt", value from alert where name = 'webhooks_failing'
  `;
}

describe('an event', () => {
  test('arrives signed, once, and after what happened to its order before', async () => {
    const receiver = await aReceiver();
    const ids = [await paid(), await paid(), await paid()];
    await all(receiver, ids);
    expect(receiver.arrived).toHaveLength(6);
    for (const arrived of receiver.arrived) {
      expect(isSignedWith(receiver.secret, arrived)).toBe(true);
      expect(arrived.headers['webhook-id']).toBe(
        `${arrived.event.data.orderId}-${arrived.event.data.version}`,
      );
    }
    for (const id of ids) expect(versionsOf(receiver, id)).toEqual([1, 2]);
  });

  test('is to the receiver what the feed says of it: with the reference of its order and what a refund gave back', async () => {
    const receiver = await aReceiver();
    const orderId = await shop.placed(walletId, sku, 1, { reference: 'PO-9', metadata: { till: 'seven' } });
    await shop.pay(orderId);
    await shop.post(`/v1/orders/${orderId}/refund`, { reason: 'dented', amount: 100 });
    const sent = await until('the refund to arrive', async () =>
      receiver.arrived.find(({ event }) => event.id === `${orderId}-3`),
    );
    expect(sent.event).toMatchObject({
      type: 'order.partially_refunded',
      data: { reference: 'PO-9', refund: { amount: 100, currency: 'EUR', lines: [] } },
    });
    expect(sent.raw).not.toMatch(/metadata|seven/);
    const { body } = await shop.get('/v1/events?type=order.partially_refunded&limit=100');
    expect(body['items']).toContainEqual(sent.event);
  });

  test('is signed with the old secret as well, until that expires', async () => {
    const receiver = await aReceiver();
    const secret = makeWebhookSecret();
    const sealed = { id: uuidv7(), webhookId: receiver.id };
    await sql`update webhook_secret set expires_at = now() + interval '1 hour' where webhook_id = ${receiver.id}`;
    const { sealed: bytes, key } = sealWebhookSecret(readWebhookKeys(), sealed, secret);
    await sql`
      insert into webhook_secret (webhook_id, id, sealed, sealing_key, created_at)
      values (${receiver.id}, ${sealed.id}, ${bytes}, ${key}, now())
    `;
    await all(receiver, [await paid()]);
    const verified = (one: Arrived) => [receiver.secret, secret].map((each) => isSignedWith(each, one));
    for (const arrived of receiver.arrived) expect(verified(arrived)).toEqual([true, true]);
    await sql`update webhook_secret set expires_at = now() where expires_at is not null`;
    receiver.arrived.length = 0;
    await all(receiver, [await paid()]);
    for (const arrived of receiver.arrived) expect(verified(arrived)).toEqual([false, true]);
  });

  test('whose receiver is down for an hour is not lost and stays in order, and nobody else waits', async () => {
    const [down, up] = [await aReceiver(), await aReceiver()];
    await down.down();
    const ids = [await paid(), await paid(), await paid(), await paid()];
    await all(up, ids, 'the other receiver to get everything meanwhile');
    await until('the receiver to be taken for down', async () => (await stateOf(down.id)).retryAt !== null);
    await clock.forward(webhookWorkflowId(down.id), HOUR);
    expect(down.arrived).toEqual([]);
    ids.push(await paid());
    await all(up, ids, 'the other receiver to get everything after that');
    await down.up();
    await clock.forward(webhookWorkflowId(down.id), 5 * MINUTE);
    await all(down, ids, 'everything that waited to arrive within five minutes');
    for (const id of ids) expect(versionsOf(down, id)).toEqual([1, 2]);
    expect(await stateOf(down.id)).toMatchObject({ state: 'active', failures: 0, retryAt: null });
    const [{ attempts } = { attempts: 0 }] = await sql<{ attempts: number }[]>`
      select count(*)::integer as attempts from webhook_attempt
      where delivery_id in (select id from webhook_delivery where webhook_id = ${down.id}) and failure is not null
    `;
    // All of them were tried at first, and then one now and then.
    expect(attempts).toBeLessThan(40);
  });

  test('that its receiver refuses is tried again with growing pauses, and delays neither other orders nor their order', async () => {
    const receiver = await aReceiver();
    const refused = await shop.placed(walletId, sku);
    receiver.behave(({ data }) => (data.orderId === refused ? 500 : 204));
    await shop.pay(refused);
    const ids = [await paid(), await paid(), await paid()];
    await all(receiver, ids, 'the other orders to arrive');
    const arrivals = () =>
      receiver.arrived
        .filter(({ event }) => event.data.orderId === refused)
        .map(({ event }) => event.data.version);
    await clock.forward(webhookWorkflowId(receiver.id), 6_000);
    await until('the second attempt', () => Promise.resolve(arrivals().length === 2));
    await clock.forward(webhookWorkflowId(receiver.id), 34_000);
    await until('the third attempt', () => Promise.resolve(arrivals().length === 3));
    // What happened to that order later waits for it.
    expect(arrivals()).toEqual([1, 1, 1]);
    expect(await openDeliveries(receiver.id)).toMatchObject([{ attempts: 3 }, { attempts: 0 }]);
    receiver.behave(() => 204);
    await clock.forward(webhookWorkflowId(receiver.id), 3 * MINUTE);
    await all(receiver, [refused]);
  });

  test('that its receiver refuses for three days is given up, and the next one of its order is sent', async () => {
    const receiver = await aReceiver();
    const refused = await shop.placed(walletId, sku);
    receiver.behave(({ data }) => (data.orderId === refused && data.version === 1 ? 500 : 204));
    await shop.pay(refused);
    await until('the first attempt', () => Promise.resolve(receiver.arrived.length > 0));
    // As if most of three days had passed, in which others arrive: the receiver works.
    await sql`
      update webhook_delivery set first_attempt_at = first_attempt_at - interval '70 hours'
      where webhook_id = ${receiver.id} and order_id = ${refused} and version = 1
    `;
    await clock.forward(webhookWorkflowId(receiver.id), 10_000);
    await until('the second attempt', () =>
      Promise.resolve(receiver.arrived.filter(({ event }) => event.data.orderId === refused).length === 2),
    );
    await all(receiver, [await paid()]);
    const ofOrder = async () =>
      (await openDeliveries(receiver.id)).filter(({ orderId }) => orderId === refused);
    expect(await ofOrder()).toMatchObject([{ state: 'pending' }, { state: 'pending' }]);
    await clock.forward(webhookWorkflowId(receiver.id), 3 * HOUR);
    await until('the next one of the order', () =>
      Promise.resolve(versionsOf(receiver, refused).join() === '2'),
    );
    await until('the first to be given up, and the next one to be recorded', async () => {
      const [first, ...rest] = await ofOrder();
      return rest.length === 0 && first?.version === 1 && first.state === 'given_up';
    });
    expect(await stateOf(receiver.id)).toMatchObject({ state: 'active' });
  });

  test('that hangs at its receiver delays no other order', async () => {
    const receiver = await aReceiver();
    const hanging = await shop.placed(walletId, sku);
    receiver.behave(({ data }) => (data.orderId === hanging ? 'hang' : 204));
    const ids = [await paid(), await paid(), await paid()];
    const startedAt = performance.now();
    await all(receiver, ids);
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    expect(versionsOf(receiver, hanging)).toEqual([]);
  });

  test('arrives in order per order while every third attempt fails', async () => {
    const receiver = await aReceiver();
    let count = 0;
    receiver.behave(() => (++count % 3 === 0 ? 500 : count % 7 === 0 ? 'reset' : 204));
    const ids = await Promise.all(Array.from({ length: 8 }, paid));
    for (let round = 0; round < 20 && (await openDeliveries(receiver.id)).length > 0; round += 1)
      await clock.forward(webhookWorkflowId(receiver.id), 10 * MINUTE);
    await all(receiver, ids);
    for (const id of ids) expect(versionsOf(receiver, id)).toEqual([1, 2]);
  });
});

describe('a webhook', () => {
  test('that fails for three days is disabled with an alert, and sends what waited once it is enabled', async () => {
    const receiver = await aReceiver();
    await receiver.down();
    const ids = [await paid(), await paid(), await paid()];
    await until(
      'the receiver to be taken for down',
      async () => (await stateOf(receiver.id)).retryAt !== null,
    );
    // As if most of three days had passed: each of them has hundreds of attempts to see whether the receiver is back.
    await sql`update webhook set failing_since = failing_since - interval '71 hours' where id = ${receiver.id}`;
    await clock.forward(webhookWorkflowId(receiver.id), 50 * MINUTE);
    expect(await stateOf(receiver.id)).toMatchObject({ state: 'active' });
    await clock.forward(webhookWorkflowId(receiver.id), 15 * MINUTE);
    await until('the webhook to be disabled', async () => (await stateOf(receiver.id)).state === 'disabled');
    expect(await stateOf(receiver.id)).toMatchObject({ reason: 'failing' });
    expect(await runMonitor()).toMatchObject([{ closedAt: null, value: 1 }]);
    expect(await detailsOf(receiver.id)).toMatch(/Disabled, because it failed for too long/);
    await receiver.up();
    ids.push(await paid());
    await changeWebhook(api, { id: receiver.id, ifVersion: undefined, change: { enabled: true } });
    await wakeWebhook(client, taskQueue, receiver.id);
    await all(receiver, ids, 'all that waited');
    await until('all of it to be recorded', async () => (await openDeliveries(receiver.id)).length === 0);
    expect(await runMonitor()).toMatchObject([{ closedAt: expect.any(Date) }]);
  }, 120_000);

  test('whose receiver answers 410 is disabled at once, and loses nothing', async () => {
    const receiver = await aReceiver();
    receiver.behave(() => 410);
    const id = await paid();
    await until('the webhook to be disabled', async () => (await stateOf(receiver.id)).state === 'disabled');
    expect(await stateOf(receiver.id)).toMatchObject({ reason: 'gone' });
    receiver.behave(() => 204);
    await changeWebhook(api, { id: receiver.id, ifVersion: undefined, change: { enabled: true } });
    await wakeWebhook(client, taskQueue, receiver.id);
    await all(receiver, [id]);
  });

  test('that was not woken, or whose workflow was terminated, is found by the schedule', async () => {
    const receiver = await aReceiver();
    receiver.behave(() => 'hang');
    const id = await paid();
    await until('an attempt', () => Promise.resolve(receiver.arrived.length > 0));
    await client.workflow.getHandle(webhookWorkflowId(receiver.id)).terminate();
    receiver.behave(() => 204);
    // Until then the outcome of the attempt is not known.
    await sql`update webhook_delivery set due_at = now() where webhook_id = ${receiver.id} and state = 'pending'`;
    await client.workflow.execute<() => Promise<WebhooksEnd>>(WORKFLOW.webhooks, {
      workflowId: `webhooks-${uuidv7()}`,
      taskQueue,
    });
    await all(receiver, [id]);
  });

  test('shows in the Web UI what waits, since when, and what failed last', async () => {
    const receiver = await aReceiver();
    receiver.behave(() => 503);
    await paid();
    await until('a failure', async () => (await stateOf(receiver.id)).failures > 0);
    const details = await until('the details', async () => {
      const text = await detailsOf(receiver.id);
      return text.includes('Last failure') && text.includes('2 events') && text;
    });
    expect(details).toMatch(/has taken nothing since .* UTC/);
    expect(details).toMatch(/2 events wait to be sent to http:\/\/127\.0\.0\.1:\d+, the oldest since .* UTC/);
    expect(details).toMatch(/`refused`, status 503/);
    expect(details).not.toMatch(/token=secret/);
  });

  test('whose worker is killed in the middle of a send is sent that event again, and none is skipped', async () => {
    await system.stopWorker();
    const worker = startScript('worker/main.ts', {
      DATABASE_URL: system.url,
      TEMPORAL_ADDRESS: inject('temporalAddress'),
      TASK_QUEUE: taskQueue,
      WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8',
      WEBHOOK_SECRET_KEYS: TEST_WEBHOOK_KEYS,
    });
    await worker.says('worker ready');
    const receiver = await aReceiver();
    receiver.behave(() => 'hang');
    const id = await paid();
    await until('the event to be under way', () => Promise.resolve(receiver.arrived.length > 0));
    worker.child.kill('SIGKILL');
    await worker.ended;
    receiver.behave(() => 204);
    await system.startWorker();
    await until('the workflow to know that its worker is gone', async () => {
      const { raw } = await client.workflow.getHandle(webhookWorkflowId(receiver.id)).describe();
      return (raw.pendingActivities ?? []).length === 0;
    });
    await clock.forward(webhookWorkflowId(receiver.id), SENDING_LEASE_MS);
    await all(receiver, [id]);
    expect(receiver.arrived.map(({ event }) => event.data.version)).toEqual([1, 1, 2]);
    expect(new Set(receiver.arrived.map(({ headers }) => headers['webhook-id'])).size).toBe(2);
  });

  test('whose worker stops lets what is under way end, and the next worker goes on', async () => {
    const receiver = await aReceiver();
    const arrival = Promise.withResolvers<void>();
    receiver.behave(() => {
      arrival.resolve();
      return 'slow head';
    });
    const id = await paid();
    await arrival.promise;
    await system.stopWorker();
    expect(receiver.arrived).toHaveLength(1);
    expect(await openDeliveries(receiver.id)).toMatchObject([{ version: 2, attempts: 0 }]);
    receiver.behave(() => 204);
    await system.startWorker();
    await all(receiver, [id]);
    expect(receiver.arrived.map(({ event }) => event.data.version)).toEqual([1, 2]);
  });

  test('is sent a test event at once, also while its receiver is taken for down', async () => {
    const receiver = await aReceiver();
    await receiver.down();
    await Promise.all([paid(), paid(), paid()]);
    await until(
      'the receiver to be taken for down',
      async () => (await stateOf(receiver.id)).retryAt !== null,
    );
    await receiver.up();
    const { status } = await shop.post(`/v1/webhooks/${receiver.id}/test-events`);
    expect(status).toBe(201);
    await until('the test event', () =>
      Promise.resolve(receiver.arrived.some(({ event }) => event.type === 'webhook.test')),
    );
    expect((await stateOf(receiver.id)).retryAt).not.toBeNull();
  });
});
