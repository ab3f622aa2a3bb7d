/** The part of a worker process that sends events to webhooks: its own task queue, places, connections and shutdown. */
import { Worker, type ActivityInterceptorsFactory, type NativeConnection } from '@temporalio/worker';
import type { Dispatcher } from 'undici';
import { createSendingActivities, type SendingSettings } from '../activities/webhooks/activities.ts';
import { openAgent } from '../activities/webhooks/agent.ts';
import { dataConverterOf, type PayloadSettings } from '../client/data-converter.ts';
import { openDatabase, type DatabasePool } from '../db/connection.ts';
import { HOLDFAST } from '../domain/audit.ts';
import type { Networks } from '../domain/public-addresses.ts';
import { FORCED_AFTER_GRACE_MS } from '../domain/timeouts.ts';
import { sendingQueueOf } from '../domain/workflow-ids.ts';
import type { WorkerSettings } from '../settings.ts';
import { activityInterceptors } from './activity-interceptors.ts';

export interface WebhookSettings extends SendingSettings {
  /** Receivers that are sent to at once. */
  slots: number;
  allowedNetworks: Networks;
}

export const webhookSettings = (settings: WorkerSettings): WebhookSettings => ({
  slots: settings.WORKER_WEBHOOK_SLOTS,
  allowedNetworks: settings.WEBHOOK_ALLOWED_NETWORKS,
  secretKeys: settings.WEBHOOK_SECRET_KEYS,
  disableAfter: settings.WEBHOOK_DISABLE_AFTER,
});

export interface WebhookWorkerOptions extends WebhookSettings, PayloadSettings {
  connection: NativeConnection;
  /** Of the orders. */
  taskQueue: string;
  databaseUrl: string;
  /** Milliseconds that what is under way has to end when the worker stops. */
  shutdownGrace: number;
  /** Around each activity. */
  watch?: ActivityInterceptorsFactory | undefined;
}

export interface WebhookWorker {
  /** Its own pool, for the metrics. */
  database: Pick<DatabasePool, 'connections' | 'use'>;
  /** Resolves once it was shut down, and what was under way has ended. */
  run: () => Promise<void>;
  /** Begins to send nothing more, and takes no further task. */
  shutdown: () => void;
}

/** Sending waits for receivers and not for PostgreSQL: its queries are few and short. None of them takes a connection from a step. */
export const SENDING_CONNECTIONS = 4;

/** It takes no task before its `run()`. */
export async function createWebhookWorker(options: WebhookWorkerOptions): Promise<WebhookWorker> {
  const { allowedNetworks, databaseUrl, slots, shutdownGrace } = options;
  const stopping = new AbortController();
  const database = openDatabase(databaseUrl, {
    connections: SENDING_CONNECTIONS,
    name: 'holdfast webhooks',
    actor: HOLDFAST,
  });
  const dispatcher = openAgent({ allowedNetworks });
  const worker = await Worker.create({
    connection: options.connection,
    namespace: options.namespace,
    dataConverter: dataConverterOf(options),
    taskQueue: sendingQueueOf(options.taskQueue),
    activities: createSendingActivities(database, dispatcher, options, stopping.signal),
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
        await close(dispatcher, database);
      }
    },
    shutdown() {
      stopping.abort();
      if (worker.getState() === 'RUNNING') worker.shutdown();
    },
  };
}

async function close(dispatcher: Dispatcher, database: DatabasePool): Promise<void> {
  await dispatcher.destroy();
  await database.close();
}
