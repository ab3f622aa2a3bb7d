/**
 * Runs the workflows and their activities: `node worker/main.ts`.
 * This folder holds bundling, slots, schedules, logging and the order in which things stop.
 */
import { NativeConnection } from '@temporalio/worker';
import { openClient } from '../client/connection.ts';
import { openDatabase } from '../db/connection.ts';
import { SearchAttributesError, keepRegistering } from '../client/search-attributes.ts';
import { HOLDFAST } from '../domain/audit.ts';
import { identityOf } from '../db/identity.ts';
import { untilPrepared } from '../db/prepared.ts';
import { recordSettings } from '../db/settings-seen.ts';
import { runbookOf } from '../domain/runbook.ts';
import { endOnUnexpected, openLogger } from '../process/log.ts';
import { stopSignal } from '../process/stop-signal.ts';
import { openTracing } from '../process/tracing.ts';
import { openTerminal } from '../process/terminal.ts';
import { SettingsError, workerSettings, type WorkerSettings } from '../settings.ts';
import { createPaymentWorker, paymentSettings } from './payments.ts';
import { monitorSettings } from './monitor-settings.ts';
import { keepPublishing } from './publishing.ts';
import { retentionSettings } from './retention-settings.ts';
import { installRuntime } from './runtime.ts';
import { ensureSchedules, schedulesFor } from './schedules.ts';
import { workflowBundle } from './bundle.ts';
import { wakeOnPublished } from './waking.ts';
import { openWatching } from './watching.ts';
import { createWebhookWorker, webhookSettings } from './webhooks.ts';
import { connectionsFor, createOrderWorker } from './worker.ts';

function readSettings(): WorkerSettings {
  try {
    return workerSettings(process.env);
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    console.error(error.message);
    process.exit(1);
  }
}

const settings = readSettings();
const logger = openLogger('worker', settings.LOG_LEVEL, await openTerminal());
endOnUnexpected((error) => logger.fatal({ err: error }, 'ended by an error that nobody handled'));

const tracing = openTracing('holdfast-worker', settings.traces, logger);

const stopping = stopSignal(() => logger.warn('asked again to stop: ended at once'));
const stopAtOnce = (): void => {
  logger.info('stopped before it was ready');
  process.exit();
};
// Until the worker takes tasks, there is nothing to wait for.
stopping.addEventListener('abort', stopAtOnce);

installRuntime(settings, logger);

async function main(): Promise<void> {
  const runbook = runbookOf(settings.OPERATIONS_URL);
  const bundle = await workflowBundle(settings.WORKFLOW_BUNDLE);
  const database = openDatabase(settings.DATABASE_URL, {
    connections: connectionsFor(settings.WORKER_STEP_SLOTS),
    name: 'holdfast worker',
    actor: HOLDFAST,
  });
  const watching = openWatching(settings, database, logger);
  const { watch, onPaymentMove } = watching;
  const connection = await NativeConnection.connect({ address: settings.TEMPORAL_ADDRESS });
  const payloads = { namespace: settings.TEMPORAL_NAMESPACE, payloadKeys: settings.PAYLOAD_KEYS };
  try {
    const worker = await createOrderWorker({
      connection,
      ...payloads,
      taskQueue: settings.TASK_QUEUE,
      runbook,
      database,
      workflowBundle: bundle,
      stepSlots: settings.WORKER_STEP_SLOTS,
      cachedWorkflows: settings.WORKER_CACHED_WORKFLOWS,
      shutdownGrace: settings.SHUTDOWN_GRACE,
      monitor: monitorSettings(settings),
      retention: retentionSettings(settings),
      watch,
      onPaymentMove,
    });
    const webhooks = await createWebhookWorker({
      ...webhookSettings(settings),
      watch,
      connection,
      ...payloads,
      taskQueue: settings.TASK_QUEUE,
      databaseUrl: settings.DATABASE_URL,
      shutdownGrace: settings.SHUTDOWN_GRACE,
    });
    const payments = await createPaymentWorker({
      ...paymentSettings(settings),
      watch,
      onPaymentMove,
      connection,
      ...payloads,
      taskQueue: settings.TASK_QUEUE,
      runbook,
      databaseUrl: settings.DATABASE_URL,
      shutdownGrace: settings.SHUTDOWN_GRACE,
    });
    const client = openClient(connection, payloads);
    const ending = new AbortController();
    stopping.removeEventListener('abort', stopAtOnce);
    const stop = (): void => {
      webhooks.shutdown();
      payments.shutdown();
      if (worker.getState() === 'RUNNING') worker.shutdown();
    };
    stopping.addEventListener('abort', stop);
    // Resolves once running tasks have ended. Only then may what they use be closed.
    const ended = untilAllEnd([worker.run(), webhooks.run(), payments.run()], stop).finally(() =>
      ending.abort(),
    );
    logger.info({ taskQueue: settings.TASK_QUEUE }, 'worker ready');
    const findOwner = () => identityOf(database);
    const wake = wakeOnPublished(database, client, {
      taskQueue: settings.TASK_QUEUE,
      report: (error) =>
        logger.warn({ err: error }, 'could not wake what sends to webhooks; the schedule does'),
    });
    const prepared = untilPrepared(database, ending.signal).catch(async (error: unknown) => {
      stop();
      await ended;
      throw error;
    });
    await Promise.all([
      ended,
      prepared,
      keepRegistering(client, {
        signal: ending.signal,
        report: (error) => {
          if (error instanceof SearchAttributesError) logger.warn(error.message);
          else logger.warn({ err: error }, 'could not register the search attributes, trying again');
        },
      }),
      watching.serve({ webhooks: webhooks.database, payments: payments.database }, ending.signal),
      ensureSchedules(client, schedulesFor(settings), { logger, signal: ending.signal, findOwner }),
      keepPublishing(database, {
        signal: ending.signal,
        onPublished(published) {
          wake(published);
          watching.onPublished(published);
        },
        report: (error) => logger.warn({ err: error }, 'could not publish events, trying again'),
      }),
      recordSettings(database, 'worker', settings, {
        signal: ending.signal,
        report: (error) => logger.warn({ err: error }, 'could not record the settings, trying again'),
      }),
    ]);
  } finally {
    await connection.close();
    // The process does not exit while the pool is open.
    await database.close();
    await tracing.close();
  }
}

/** When one of them fails, the others are stopped, and end in peace. */
async function untilAllEnd(runs: readonly Promise<void>[], stop: () => void): Promise<void> {
  const ends = await Promise.allSettled(
    runs.map((run) =>
      run.catch((error: unknown) => {
        stop();
        throw error;
      }),
    ),
  );
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}

try {
  await main();
  logger.info('worker stopped');
} catch (error) {
  logger.fatal({ err: error }, 'worker failed');
  process.exitCode = 1;
}
