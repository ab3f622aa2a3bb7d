/** What Temporal's SDK says in a worker process, as lines of the worker's log. */
import { DefaultLogger, type LogEntry } from '@temporalio/worker';
import type { Logger } from 'pino';
import { payingQueueOf, readWorkflowId, sendingQueueOf } from '../domain/workflow-ids.ts';

const LEVELS = { TRACE: 'trace', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' } as const;

export const sdkLogger = (logger: Logger, taskQueue: string): DefaultLogger =>
  new DefaultLogger('DEBUG', (entry) => {
    const level = isMeantSo(entry, taskQueue) || isLoggedByUs(entry) ? 'debug' : LEVELS[entry.level];
    logger[level]({ ...entry.meta, ...orderOf(entry) }, entry.message);
  });

/** By watchActivities, with the request that the activity goes back to. */
const isLoggedByUs = ({ message }: LogEntry): boolean => message === 'Activity failed';

function orderOf({ meta }: LogEntry): { orderId?: string } {
  const workflowId: unknown = meta?.['workflowId'];
  const orderId = typeof workflowId === 'string' ? readWorkflowId(workflowId)?.orderId : undefined;
  return orderId === undefined ? {} : { orderId };
}

/** The SDK takes a worker without workflows for a mistake. Those of webhooks and of payments have none: their workflows are on the queue of orders. */
const isMeantSo = ({ message, meta }: LogEntry, taskQueue: string): boolean =>
  message.startsWith('No workflows registered') &&
  [sendingQueueOf(taskQueue), payingQueueOf(taskQueue)].some((queue) => queue === meta?.['taskQueue']);
