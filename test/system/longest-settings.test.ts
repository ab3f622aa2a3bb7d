/** Orders work with every setting at its bound: the largest and the smallest value that is accepted. */
import { afterEach, expect, inject, test } from 'vitest';
import { RUN_NAMES } from '../../domain/measures.ts';
import { apiSettings, workerSettings } from '../../settings.ts';
import { monitorSettings } from '../../worker/monitor-settings.ts';
import { expectRulesHold } from '../support/database.ts';
import { startScript } from '../support/server-process.ts';
import { Shop } from '../support/shop.ts';
import { startSystem } from '../support/system.ts';
import { until } from '../support/until.ts';

const YEAR_MS = 365 * 86_400_000;
const servers = { DATABASE_URL: 'postgres://h', TEMPORAL_ADDRESS: 'h:1' };
const largest = apiSettings({ ...servers, PAYMENT_WINDOW: '365d', ATTENTION_AFTER: '30d' });
const system = await startSystem({
  paymentWindow: largest.PAYMENT_WINDOW,
  attentionAfter: largest.ATTENTION_AFTER,
  monitor: monitorSettings(workerSettings({ ...servers, PENDING_LONG_AFTER: '365d' })),
});
const { shop, sql, client } = system;
afterEach(() => expectRulesHold(sql));

test('an order with the longest payment window can be paid almost a year later, and expires after exactly a year', async () => {
  const wallet = await shop.wallet(1_000);
  const sku = await shop.sku(2);
  const [paid, expired] = [await shop.placed(wallet, sku), await shop.placed(wallet, sku)];
  const { body } = await shop.get(`/v1/orders/${paid}`);
  expect(Date.parse(String(body['paymentDeadline'])) - Date.parse(String(body['createdAt']))).toBe(YEAR_MS);
  const { events } = await client.workflow.getHandle(`order-${paid}`).fetchHistory();
  const timer = events?.find((event) => event.timerStartedEventAttributes)?.timerStartedEventAttributes;
  expect(Number(timer?.startToFireTimeout?.seconds)).toBeGreaterThan(YEAR_MS / 1_000 - 60);
  for (const order of [paid, expired]) await system.clock.forward(`order-${order}`, YEAR_MS - 60_000);
  expect(await shop.pay(paid)).toMatchObject({ status: 200, body: { stage: 'paid' } });
  await system.clock.forward(`order-${expired}`, 60_000);
  await until('the order to expire', async () => (await shop.stageOf(expired)) === 'expired');
  expect(await shop.stockOf(sku)).toMatchObject({ onHand: 1, reserved: 0 });
});

const environment = {
  DATABASE_URL: system.url,
  TEMPORAL_ADDRESS: inject('temporalAddress'),
  PORT: '0',
  SHUTDOWN_NOTICE: '0s',
};

test.each([
  [
    'largest',
    {
      PAYMENT_WINDOW: '365d',
      PAYMENT_EXTENSION: '1d',
      ATTENTION_AFTER: '30d',
      API_DATABASE_CONNECTIONS: '1000',
    },
    {
      WORKER_STEP_SLOTS: '500',
      WORKER_CACHED_WORKFLOWS: '100000',
      SHUTDOWN_GRACE: '10m',
      RECONCILE_EVERY: '7d',
      STATS_EVERY: '7d',
      MONITOR_EVERY: '7d',
      RETENTION_EVERY: '7d',
      SEAL_EVERY: '7d',
      WEBHOOKS_EVERY: '7d',
      PAYMENTS_EVERY: '7d',
      WORKER_PAYMENT_SLOTS: '500',
      PAYMENT_UNKNOWN_AFTER: '30d',
      PAYMENT_UNMATCHED_AFTER: '7d',
      WORKER_WEBHOOK_SLOTS: '500',
      WEBHOOK_DISABLE_AFTER: '30d',
      IDEMPOTENCY_RETENTION: '3650d',
      PENDING_LONG_AFTER: '365d',
      BUSY_BUYER_PAYMENTS: '1000000000',
      BUSY_BUYER_AMOUNT: '1000000000000',
    },
    'a',
  ],
  [
    'smallest',
    {
      PAYMENT_WINDOW: '10s',
      PAYMENT_EXTENSION: '100ms',
      ATTENTION_AFTER: '1s',
      API_DATABASE_CONNECTIONS: '1',
    },
    {
      WORKER_STEP_SLOTS: '1',
      WORKER_CACHED_WORKFLOWS: '1',
      SHUTDOWN_GRACE: '1s',
      RECONCILE_EVERY: '1s',
      STATS_EVERY: '1s',
      MONITOR_EVERY: '1s',
      RETENTION_EVERY: '1s',
      SEAL_EVERY: '1s',
      WEBHOOKS_EVERY: '1s',
      PAYMENTS_EVERY: '1s',
      WORKER_PAYMENT_SLOTS: '1',
      PAYMENT_UNKNOWN_AFTER: '1s',
      PAYMENT_UNMATCHED_AFTER: '1s',
      WORKER_WEBHOOK_SLOTS: '1',
      WEBHOOK_DISABLE_AFTER: '1h',
      IDEMPOTENCY_RETENTION: '1d',
      PENDING_LONG_AFTER: '1s',
      BUSY_BUYER_PAYMENTS: '1',
      BUSY_BUYER_AMOUNT: '1',
    },
    'b',
  ],
])(
  'the API and the worker carry out orders with the %s value of every setting',
  async (_which, forApi, forWorker, letter) => {
    // The task queue has the longest name, too: schedules, deliveries and their runs are named after it.
    const TASK_QUEUE = `${system.taskQueue}${letter.repeat(200)}`.slice(0, 200);
    const worker = startScript('worker/main.ts', { ...environment, ...forWorker, TASK_QUEUE });
    const api = startScript('api/main.ts', { ...environment, ...forApi, TASK_QUEUE });
    const { port } = await api.says('listening');
    await worker.says('worker ready');
    const caller = new Shop((path, init) => fetch(`http://127.0.0.1:${String(port)}${path}`, init));
    const wallet = await caller.wallet(1_000);
    const order = await caller.placed(wallet, await caller.sku(1));
    expect(await caller.pay(order)).toMatchObject({ status: 200, body: { stage: 'paid' } });
    for (const name of RUN_NAMES) {
      const handle = client.schedule.getHandle(`${name}-${TASK_QUEUE}`);
      await until(`the schedule of ${name}`, () => handle.describe().catch(() => undefined));
      await handle.trigger();
      const run = await until(
        `a run of ${name}`,
        async () => (await handle.describe()).info.recentActions[0]?.action.workflow.workflowId,
        30_000,
      );
      await client.workflow.getHandle(run).result();
      await handle.delete();
    }
    for (const process of [api, worker]) {
      process.child.kill('SIGTERM');
      expect(await process.ended, process.output()).toBe(0);
    }
  },
  120_000,
);
