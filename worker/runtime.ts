/** Temporal's SDK as this process uses it: where it logs, and where it serves its own metrics. */
import { isIPv6 } from 'node:net';
import { Runtime, type RuntimeOptions } from '@temporalio/worker';
import type { Logger } from 'pino';
import type { WorkerSettings } from '../settings.ts';
import { sdkLogger } from './sdk-log.ts';

type Settings = Pick<WorkerSettings, 'TASK_QUEUE' | 'METRICS_HOST' | 'SDK_METRICS_PORT'>;

/** Call it once, before anything else of the SDK. Its metrics never keep the worker from starting. */
export function installRuntime(
  { TASK_QUEUE, METRICS_HOST: host, SDK_METRICS_PORT: port }: Settings,
  logger: Logger,
): void {
  const options: RuntimeOptions = {
    // The process handles them itself.
    shutdownSignals: [],
    logger: sdkLogger(logger, TASK_QUEUE),
  };
  if (port !== 0) {
    try {
      Runtime.install({ ...options, telemetryOptions: { metrics: servedAt(host, port) } });
      return;
    } catch (error) {
      logger.warn({ err: error, host, port }, "the metrics of Temporal's SDK are not served");
    }
  }
  Runtime.install(options);
}

/** Under the names that Temporal documents for alerts on workers. */
const servedAt = (host: string, port: number) => ({
  prometheus: {
    bindAddress: `${isIPv6(host) ? `[${host}]` : host}:${port}`,
    countersTotalSuffix: true,
    unitSuffix: true,
    useSecondsForDurations: true,
  },
});
