/** Builds the worker: the bundle of workflows, its activities, and how many of each run at once. */
import {
  Worker,
  type ActivityInterceptorsFactory,
  type NativeConnection,
  type WorkerOptions,
} from '@temporalio/worker';
import { createActivities } from '../activities/order.ts';
import { createMonitorActivities, type MonitorSettings } from '../activities/monitor.ts';
import { createReconciliationActivities } from '../activities/reconciliation/activities.ts';
import { createRetentionActivities, type RetentionSettings } from '../activities/retention.ts';
import { createSealActivities } from '../activities/audit.ts';
import { createStatsActivities } from '../activities/stats.ts';
import { createResolvingActivities } from '../activities/payments/resolve.ts';
import { createWakingPaymentsActivities } from '../activities/payments/wake.ts';
import { createWakingActivities } from '../activities/webhooks/wake.ts';
import type { LongDatabase } from '../db/connection.ts';
import type { RecordedPayment } from '../db/steps/payments/record-payment.ts';
import { askTemporal } from '../client/ask.ts';
import { orderWorkflowsOf } from '../client/inspection.ts';
import { findLastHead } from '../client/audit-heads.ts';
import { closedWorkflowsKeptFor } from '../client/namespace.ts';
import { openClient } from '../client/connection.ts';
import { dataConverterOf, type PayloadSettings } from '../client/data-converter.ts';
import { startPayment, wakePayment } from '../client/payments.ts';
import { wakeWebhook } from '../client/webhooks.ts';
import { FORCED_AFTER_GRACE_MS } from '../domain/timeouts.ts';
import { activityInterceptors } from './activity-interceptors.ts';

export interface OrderWorkerOptions extends PayloadSettings {
  connection: NativeConnection;
  taskQueue: string;
  /** The address of the runbook, if somebody serves it. */
  runbook?: string | undefined;
  database: LongDatabase;
  workflowBundle: NonNullable<WorkerOptions['workflowBundle']>;
  /** Steps that run at once, of each kind: quick (local activities) and persistent (activities). */
  stepSlots: number;
  cachedWorkflows: number;
  monitor: MonitorSettings;
  retention: RetentionSettings;
  /** Milliseconds that running steps have to end when the worker stops, before they are cancelled. */
  shutdownGrace: number;
  /** Around each activity. */
  watch?: ActivityInterceptorsFactory | undefined;
  /** Hears of each payment that a person moved. */
  onPaymentMove?: ((moved: RecordedPayment) => void) | undefined;
}

/** The database pool that a worker needs: one connection for each step that may run at once, and one to publish what they record. */
export const connectionsFor = (stepSlots: number): number => 2 * stepSlots + 1;

/** A worker for orders, refunds and the background runs. It takes no task before its `run()`. */
export function createOrderWorker(options: OrderWorkerOptions): Promise<Worker> {
  const { connection, namespace, taskQueue, runbook, database, workflowBundle } = options;
  const deployment = { taskQueue, runbook };
  const client = openClient(connection, options);
  return Worker.create({
    connection,
    namespace,
    dataConverter: dataConverterOf(options),
    taskQueue,
    workflowBundle,
    activities: {
      ...createActivities(database),
      ...createStatsActivities(database),
      ...createSealActivities(database, () => findLastHead(client, taskQueue)),
      ...createReconciliationActivities(database, orderWorkflowsOf(client, taskQueue, runbook)),
      ...createMonitorActivities(database, options.monitor),
      ...createRetentionActivities(database, options.retention, () => closedWorkflowsKeptFor(client)),
      ...createResolvingActivities(database, options.onPaymentMove),
      ...createWakingPaymentsActivities(database, {
        wake: (payment) => askTemporal(client, () => wakePayment(client, deployment, payment)),
        start: (payment) => askTemporal(client, () => startPayment(client, deployment, payment)),
      }),
      ...createWakingActivities(database, (webhookId) => wakeWebhook(client, taskQueue, webhookId)),
    },
    maxConcurrentLocalActivityExecutions: options.stepSlots,
    maxConcurrentActivityTaskExecutions: options.stepSlots,
    maxCachedWorkflows: options.cachedWorkflows,
    // Half of the pollers serve orders that begin. By default a fifth do, which is 2 for the 4 partitions of a task queue: under load
    // a new order then waited up to 1.6 s for a poller, and creates at 20 callers took 2.7 s at p99 instead of 1.2 s.
    nonStickyToStickyPollRatio: 0.5,
    // How long a task waits for the worker that has its order in memory before any worker gets it. With the default of 10 s, orders
    // whose deadline passed as their worker was killed expired 11 s late; now it is 3 to 6 s. It is no shorter because a worker takes
    // about as long to start anyway, and a busy worker must not lose the orders that it has in memory.
    stickyQueueScheduleToStartTimeout: '2s',
    shutdownGraceTime: options.shutdownGrace,
    // Without it, a worker would wait forever for an activity that hangs.
    shutdownForceTime: options.shutdownGrace + FORCED_AFTER_GRACE_MS,
    interceptors: { activity: activityInterceptors(options.watch) },
  });
}
