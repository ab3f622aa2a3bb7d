/** Assembles what an API process counts and serves, on a port that callers do not reach. */
import type { Logger } from 'pino';
import type { DatabasePool } from '../db/connection.ts';
import { collectInstallation } from '../db/gauges/collect.ts';
import { watchPool } from '../db/gauges/pools.ts';
import { API_METRICS, INSTALLATION_METRICS, PROCESS_METRICS } from '../domain/metrics.ts';
import { openMetrics } from '../process/metrics.ts';
import { serveMetrics } from '../process/metrics-server.ts';
import { VERSION } from '../process/version.ts';
import type { ApiSettings } from '../settings.ts';
import type { ApiMetrics } from './http/request-metrics.ts';

export interface ServedMetrics {
  metrics: ApiMetrics;
  /** Serves them until the signal fires. */
  serve: (signal: AbortSignal) => Promise<void>;
}

export function openApiMetrics(
  { METRICS_HOST: host, METRICS_PORT: port }: Pick<ApiSettings, 'METRICS_HOST' | 'METRICS_PORT'>,
  database: DatabasePool,
  logger: Logger,
): ServedMetrics {
  const metrics = openMetrics(
    { ...PROCESS_METRICS, ...API_METRICS, ...INSTALLATION_METRICS },
    { withNode: port !== 0 },
  );
  metrics.set('holdfast_build_info', { version: VERSION }, 1);
  watchPool(metrics, 'api', database);
  collectInstallation(metrics, database, {
    report: (error) => logger.warn({ err: error }, 'could not read what the metrics say, trying again'),
  });
  return {
    metrics,
    serve: (signal) =>
      serveMetrics({
        host,
        port,
        signal,
        answer: () => metrics.answer(),
        listening: (address) => logger.info(address, 'serving metrics'),
        report: (error) => logger.warn({ err: error, host, port }, 'could not serve metrics, trying again'),
      }),
  };
}
