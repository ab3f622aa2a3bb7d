/** Runs the workflow that does nothing, with the settings and slots of the real worker, on the task queue of TASK_QUEUE. */
import { fileURLToPath } from 'node:url';
import { NativeConnection } from '@temporalio/worker';
import { pino } from 'pino';
import { openDatabase } from '../../../db/connection.ts';
import { workerSettings } from '../../../settings.ts';
import { monitorSettings } from '../../../worker/monitor-settings.ts';
import { retentionSettings } from '../../../worker/retention-settings.ts';
import { bundleWorkflows } from '../../../worker/bundle.ts';
import { connectionsFor, createOrderWorker } from '../../../worker/worker.ts';

const WORKFLOW = fileURLToPath(new URL('./nothing-workflow.ts', import.meta.url));

const settings = workerSettings(process.env);
const connection = await NativeConnection.connect({ address: settings.TEMPORAL_ADDRESS });
// Never connects, because no workflow here runs a step.
const database = openDatabase(settings.DATABASE_URL, {
  connections: connectionsFor(settings.WORKER_STEP_SLOTS),
  name: 'holdfast nothing worker',
});
const worker = await createOrderWorker({
  connection,
  namespace: settings.TEMPORAL_NAMESPACE,
  payloadKeys: settings.PAYLOAD_KEYS,
  taskQueue: settings.TASK_QUEUE,
  database,
  workflowBundle: await bundleWorkflows(WORKFLOW),
  stepSlots: settings.WORKER_STEP_SLOTS,
  cachedWorkflows: settings.WORKER_CACHED_WORKFLOWS,
  shutdownGrace: settings.SHUTDOWN_GRACE,
  monitor: monitorSettings(settings),
  retention: retentionSettings(settings),
});
const ended = worker.run();
pino({ name: 'nothing worker' }).info('worker ready');
await ended;
await connection.close();
await database.close();
