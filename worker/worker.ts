import { fileURLToPath } from 'node:url';
import {
  DefaultLogger,
  Worker,
  bundleWorkflowCode,
  type NativeConnection,
  type WorkerOptions,
  type WorkflowBundleWithSourceMap,
} from '@temporalio/worker';
import { Client } from '@temporalio/client';
import { failSafely } from '../activities/errors.ts';
import { createActivities } from '../activities/order.ts';
import { createMonitorActivities, type MonitorSettings } from '../activities/monitor.ts';
import { createReconciliationActivities } from '../activities/reconciliation/activities.ts';
import { createStatsActivities } from '../activities/stats.ts';
import type { Database } from '../db/connection.ts';
import { orderWorkflowsOf } from '../client/inspection.ts';
import { FORCED_AFTER_GRACE_MS } from './stop.ts';

const WORKFLOWS = fileURLToPath(new URL('../workflows/index.ts', import.meta.url));

/** Compiles the workflows for the sandbox. Takes 1 to 2 seconds, so once per process. */
export function bundleWorkflows(workflowsPath = WORKFLOWS): Promise<WorkflowBundleWithSourceMap> {
  // Below a warning it lists modules, which nobody reads.
  return bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('WARN') });
}

export interface OrderWorkerOptions {
  connection: NativeConnection;
  namespace: string;
  taskQueue: string;
  database: Database;
  workflowBundle: NonNullable<WorkerOptions['workflowBundle']>;
  /** Steps that run at once, of each kind: quick (local activities) and persistent (activities). */
  stepSlots: number;
  cachedWorkflows: number;
  monitor: MonitorSettings;
  /** Milliseconds that running steps are given to end when the worker stops, before they are told to. */
  shutdownGrace: number;
}

/** The database pool that a worker needs: one connection for each step that may run at once. */
export const connectionsFor = (stepSlots: number): number => 2 * stepSlots;

/** A worker for orders and refunds. Nothing runs before its `run()`. */
export function createOrderWorker(options: OrderWorkerOptions): Promise<Worker> {
  const { connection, namespace, taskQueue, database, workflowBundle } = options;
  return Worker.create({
    connection,
    namespace,
    taskQueue,
    workflowBundle,
    activities: {
      ...createActivities(database),
      ...createStatsActivities(database),
      ...createReconciliationActivities(
        database,
        orderWorkflowsOf(new Client({ connection, namespace }), taskQueue),
      ),
      ...createMonitorActivities(database, options.monitor),
    },
    maxConcurrentLocalActivityExecutions: options.stepSlots,
    maxConcurrentActivityTaskExecutions: options.stepSlots,
    maxCachedWorkflows: options.cachedWorkflows,
    // Half of the pollers for orders that begin. By default it is a fifth, 2 for the 4 partitions of a task queue: under
    // load a new order then waited up to 1.6 s for a poller, and creates at 20 callers took 2.7 s at p99 instead of 1.2.
    nonStickyToStickyPollRatio: 0.5,
    // How long a task waits for the worker that has its order in memory, before any worker gets it. By default it is 10 s:
    // orders that fell due as their worker was killed were let go 11 s after their deadline, now 3 to 6. No shorter, for a
    // worker takes about as long to start anyway, and a busy one must not lose the orders that it has in memory.
    stickyQueueScheduleToStartTimeout: '2s',
    shutdownGraceTime: options.shutdownGrace,
    // Without it a worker would wait forever for an activity that hangs.
    shutdownForceTime: options.shutdownGrace + FORCED_AFTER_GRACE_MS,
    interceptors: { activity: [() => ({ inbound: { execute: failSafely } })] },
  });
}
