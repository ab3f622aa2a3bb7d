/** The whole system for one test file, on the shared servers: its own database, task queue, worker and API. */
import { randomUUID } from 'node:crypto';
import type { Client } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import { NativeConnection, type Worker } from '@temporalio/worker';
import { pino } from 'pino';
import { afterAll, inject } from 'vitest';
import type { IdentifyBearer } from '../../api/access/tokens.ts';
import { createApi } from '../../api/app.ts';
import type { Send } from '../../api/client.ts';
import { connectTemporal } from '../../client/connection.ts';
import { openOrderClient, type OrderClient, type OrderClientOptions } from '../../client/orders.ts';
import { registerSearchAttributes } from '../../client/search-attributes.ts';
import { openDatabase, type DatabasePool } from '../../db/connection.ts';
import type { MonitorSettings } from '../../activities/monitor.ts';
import type { KeyRing } from '../../domain/key-ring.ts';
import { HOLDFAST } from '../../domain/audit.ts';
import { workerSettings } from '../../settings.ts';
import { monitorSettings } from '../../worker/monitor-settings.ts';
import {
  createPaymentWorker,
  paymentSettings,
  type PaymentSettings,
  type PaymentWorker,
} from '../../worker/payments.ts';
import { retentionSettings } from '../../worker/retention-settings.ts';
import { keepPublishing, type Publishing } from '../../worker/publishing.ts';
import { wakeOnPublished } from '../../worker/waking.ts';
import {
  createWebhookWorker,
  webhookSettings,
  type WebhookSettings,
  type WebhookWorker,
} from '../../worker/webhooks.ts';
import { connectionsFor, createOrderWorker } from '../../worker/worker.ts';
import { clockOf, type Clock } from './clock.ts';
import { freshDatabase, type TestDatabase } from './database.ts';
import { GENEROUS } from './limits.ts';
import { readKeys } from './personal-data.ts';
import { PROVIDER_SECRET } from './provider.ts';
import { installRuntime } from './runtime.ts';
import { Shop } from './shop.ts';
import { until } from './until.ts';
import { TEST_WEBHOOKS, TEST_WEBHOOK_KEYS } from './webhooks.ts';

export interface TestSystem extends TestDatabase {
  shop: Shop;
  /** The way to the API, for callers with credentials of their own. */
  send: Send;
  client: Client;
  /** What the API reaches Temporal with. */
  temporal: OrderClient;
  clock: Clock;
  taskQueue: string;
  namespace: string;
  /** What every client of it needs. */
  reach: OrderClientOptions;
  /** Stops the worker, as a deployment does. Orders then wait. */
  stopWorker: () => Promise<void>;
  /** With the keys of the system's clients unless given. */
  startWorker: (keys?: { payloadKeys: KeyRing | undefined }) => Promise<void>;
}

export interface SystemOptions {
  /** Milliseconds; 15 minutes unless given. */
  paymentWindow?: number;
  /** Milliseconds; 2 minutes unless given. */
  attentionAfter?: number;
  /** Puts something between the worker and the database. The API keeps its direct connection. */
  workerDatabaseUrl?: (databaseUrl: string) => string;
  /** Puts something between the worker's steps and its pool. */
  workerDatabase?: (database: DatabasePool) => DatabasePool;
  /** Of each kind; 20 unless given. */
  workerSlots?: number;
  /** Twice the slots unless given, as in production. */
  workerConnections?: number;
  /** A namespace that no other test uses, for what walks through all of one. Registering it takes a moment. */
  ownNamespace?: boolean;
  /** Lets the API accept tokens. */
  identifyBearer?: IdentifyBearer;
  /** Whether events are published while the worker runs, and who gets them. */
  publishing?: boolean | Publishing['onPublished'];
  /** Sends what is published to webhooks. Networks of this machine are allowed. */
  webhooks?: Partial<WebhookSettings> | boolean;
  /** Settings that differ from the defaults. */
  monitor?: Partial<MonitorSettings>;
  /** The address of the runbook, which the details of workflows link to; none unless given. */
  runbook?: string;
  /** Asks wallets and the provider of these settings about payments of parts. */
  payments?: Partial<PaymentSettings> | boolean;
  /** Encrypt what Temporal is given; without them it stays readable. */
  payloadKeys?: KeyRing;
}

/** Call at the top of a file: everything stops when the file ends. */
export async function startSystem({
  paymentWindow = 900_000,
  attentionAfter = 120_000,
  workerDatabaseUrl,
  workerDatabase = (database) => database,
  workerSlots = 20,
  workerConnections = connectionsFor(workerSlots),
  ownNamespace = false,
  identifyBearer,
  webhooks = false,
  publishing = webhooks !== false,
  monitor = {},
  payments = false,
  runbook,
  payloadKeys,
}: SystemOptions = {}): Promise<TestSystem> {
  installRuntime();
  const testDatabase = await freshDatabase();
  const taskQueue = `test-${randomUUID()}`;
  const address = inject('temporalAddress');
  const namespace = ownNamespace ? await registerNamespace(address) : 'default';
  const settings = workerSettings({
    DATABASE_URL: testDatabase.url,
    TEMPORAL_ADDRESS: address,
    TASK_QUEUE: taskQueue,
    WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8',
    WEBHOOK_SECRET_KEYS: TEST_WEBHOOK_KEYS,
  });

  const reach = { address, namespace, payloadKeys, taskQueue, runbook };

  const native = await NativeConnection.connect({ address });
  const stepDatabase = workerDatabase(
    openDatabase(workerDatabaseUrl?.(testDatabase.url) ?? testDatabase.url, {
      connections: workerConnections,
      name: 'test worker',
      actor: HOLDFAST,
    }),
  );
  const { client, close } = await connectTemporal(reach);
  const wake = wakeOnPublished(testDatabase.database, client, { taskQueue, report: () => {} });
  let running: {
    worker: Worker;
    sending: WebhookWorker | null;
    paying: PaymentWorker | null;
    ended: Promise<unknown>;
  } | null = null;
  const startWorker = async (keys = { payloadKeys }) => {
    const payloads = { namespace, ...keys };
    const worker = await createOrderWorker({
      connection: native,
      ...payloads,
      taskQueue,
      runbook,
      database: stepDatabase,
      workflowBundle: { codePath: inject('workflowBundlePath') },
      stepSlots: workerSlots,
      cachedWorkflows: 500,
      shutdownGrace: 5_000,
      monitor: { ...monitorSettings(settings), ...monitor },
      retention: retentionSettings(settings),
    });
    const sending =
      webhooks === false
        ? null
        : await createWebhookWorker({
            ...webhookSettings(settings),
            ...(webhooks !== true && webhooks),
            connection: native,
            ...payloads,
            taskQueue,
            databaseUrl: testDatabase.url,
            shutdownGrace: 5_000,
          });
    const paying =
      payments === false
        ? null
        : await createPaymentWorker({
            ...paymentSettings(settings),
            ...(payments !== true && payments),
            connection: native,
            ...payloads,
            taskQueue,
            runbook,
            databaseUrl: testDatabase.url,
            shutdownGrace: 5_000,
          });
    const ending = new AbortController();
    const ended = Promise.all([worker.run(), sending?.run(), paying?.run()]).finally(() => ending.abort());
    const published =
      publishing !== false &&
      keepPublishing(stepDatabase, {
        signal: ending.signal,
        report: () => {},
        onPublished: publishing === true ? wake : publishing,
      });
    running = { worker, sending, paying, ended: Promise.all([ended, published]) };
  };
  const stopWorker = async () => {
    running?.sending?.shutdown();
    running?.paying?.shutdown();
    running?.worker.shutdown();
    await running?.ended;
    running = null;
  };

  const temporal = openOrderClient(reach);
  const api = createApi({
    database: testDatabase.database,
    temporal,
    logger: pino({ level: 'silent' }),
    identifyBearer,
    paymentWindow,
    personalData: readKeys(),
    webhooks: {
      ...TEST_WEBHOOKS,
      ...(webhooks !== false && { wake: (id: string) => temporal.wakeWebhook(id) }),
    },
    attentionAfter,
    paymentSecrets: [PROVIDER_SECRET],
    rateLimits: GENEROUS,
  });
  const send: Send = (path, init) => api.request(path, init);

  await startWorker();
  afterAll(async () => {
    await stopWorker();
    await Promise.all([native.close(), stepDatabase.close(), temporal.close(), close()]);
  });
  return {
    ...testDatabase,
    shop: new Shop(send),
    send,
    client,
    temporal,
    clock: clockOf(client),
    taskQueue,
    namespace,
    reach,
    startWorker,
    stopWorker,
  };
}

/** Resolves with its name once the server knows it. */
async function registerNamespace(address: string): Promise<string> {
  const namespace = `test-${randomUUID()}`;
  const { client, close } = await connectTemporal({ address, namespace, payloadKeys: undefined });
  try {
    await client.workflowService.registerNamespace({
      namespace,
      workflowExecutionRetentionPeriod: msToTs(86_400_000),
    });
    // The parts of the server learn of it one after the other.
    await until(`the namespace ${namespace} to be usable`, () =>
      registerSearchAttributes(client)
        .then(() => client.workflow.count("HoldfastShop = 'main'"))
        .then(
          () => true,
          () => undefined,
        ),
    );
  } finally {
    await close();
  }
  return namespace;
}
