/** The part of a worker process that asks wallets and the payment provider: its own task queue, places, connections and shutdown. */
import { Worker, type ActivityInterceptorsFactory, type NativeConnection } from '@temporalio/worker';
import { createAdvancingActivities, type AdvancingOptions } from '../activities/payments/advance.ts';
import { createHttpProvider, type HttpProviderSettings } from '../activities/payments/http-provider.ts';
import { createNoProvider } from '../activities/payments/no-provider.ts';
import { createUnmatchedActivities } from '../activities/payments/unmatched.ts';
import { createWalletProvider } from '../activities/payments/wallet-provider.ts';
import { askTemporal } from '../client/ask.ts';
import { openClient } from '../client/connection.ts';
import { dataConverterOf, type PayloadSettings } from '../client/data-converter.ts';
import { startPayment } from '../client/payments.ts';
import { openDatabase, type DatabasePool } from '../db/connection.ts';
import { HOLDFAST } from '../domain/audit.ts';
import { FORCED_AFTER_GRACE_MS } from '../domain/timeouts.ts';
import { payingQueueOf } from '../domain/workflow-ids.ts';
import type { WorkerSettings } from '../settings.ts';
import { activityInterceptors } from './activity-interceptors.ts';

export interface PaymentSettings {
  /** Undefined when the settings have none: then payments by provider wait. */
  provider: HttpProviderSettings | undefined;
  /** Payments that are asked about at once. */
  slots: number;
  /** Milliseconds after which a person has to look at a payment that stays unknown. */
  unknownAfter: number;
  /** Milliseconds after which a payment that nobody here asked for is given back. */
  unmatchedAfter: number;
}

export const paymentSettings = (settings: WorkerSettings): PaymentSettings => ({
  provider: settings.paymentProvider,
  slots: settings.WORKER_PAYMENT_SLOTS,
  unknownAfter: settings.PAYMENT_UNKNOWN_AFTER,
  unmatchedAfter: settings.PAYMENT_UNMATCHED_AFTER,
});

export interface PaymentWorkerOptions extends PaymentSettings, PayloadSettings {
  connection: NativeConnection;
  /** Of the orders. */
  taskQueue: string;
  /** The address of the runbook, if somebody serves it. */
  runbook?: string | undefined;
  databaseUrl: string;
  /** Milliseconds that what is under way has to end when the worker stops. */
  shutdownGrace: number;
  /** Around each activity. */
  watch?: ActivityInterceptorsFactory | undefined;
  /** Hears of each payment that moved. */
  onPaymentMove?: AdvancingOptions['onMove'];
}

export interface PaymentWorker {
  /** Its own pool, for the metrics. */
  database: Pick<DatabasePool, 'connections' | 'use'>;
  /** Resolves once it was shut down, and what was under way has ended. */
  run: () => Promise<void>;
  /** Takes no further task. */
  shutdown: () => void;
}

/** Asking a provider is mostly waiting; a wallet is one statement, which rarely waits. */
const MOST_CONNECTIONS = 10;
/** The most that a deployment's payments use of its database. */
export const payingConnections = (slots: number): number => Math.min(slots, MOST_CONNECTIONS);

/** It takes no task before its `run()`. */
export async function createPaymentWorker(options: PaymentWorkerOptions): Promise<PaymentWorker> {
  const { connection, namespace, taskQueue, runbook, slots, shutdownGrace } = options;
  const database = openDatabase(options.databaseUrl, {
    connections: payingConnections(slots),
    name: 'holdfast payments',
    actor: HOLDFAST,
  });
  const client = openClient(connection, options);
  const wallet = createWalletProvider(database);
  const provider = options.provider ? createHttpProvider(options.provider) : createNoProvider();
  const worker = await Worker.create({
    connection,
    namespace,
    dataConverter: dataConverterOf(options),
    taskQueue: payingQueueOf(taskQueue),
    activities: {
      ...createAdvancingActivities(database, {
        providerOf: (method) => (method === 'wallet' ? wallet : provider),
        unknownAfter: options.unknownAfter,
        onMove: options.onPaymentMove,
      }),
      ...createUnmatchedActivities(database, {
        provider,
        unmatchedAfter: options.unmatchedAfter,
        start: (payment) => askTemporal(client, () => startPayment(client, { taskQueue, runbook }, payment)),
      }),
    },
    maxConcurrentActivityTaskExecutions: slots,
    shutdownGraceTime: shutdownGrace,
    shutdownForceTime: shutdownGrace + FORCED_AFTER_GRACE_MS,
    interceptors: { activity: activityInterceptors(options.watch) },
  });
  return {
    database,
    async run() {
      try {
        await worker.run();
      } finally {
        await database.close();
      }
    },
    shutdown() {
      if (worker.getState() === 'RUNNING') worker.shutdown();
    },
  };
}
