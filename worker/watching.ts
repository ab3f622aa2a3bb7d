/** Assembles what a worker process counts and serves. */
import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import type { Logger } from 'pino';
import type { DatabasePool } from '../db/connection.ts';
import type { JustPublished } from '../db/events/publish.ts';
import { collectInstallation } from '../db/gauges/collect.ts';
import { watchPool } from '../db/gauges/pools.ts';
import type { RecordedPayment } from '../db/steps/payments/record-payment.ts';
import { INSTALLATION_METRICS, PROCESS_METRICS, WORKER_METRICS, type PoolName } from '../domain/metrics.ts';
import { openMetrics } from '../process/metrics.ts';
import { serveMetrics } from '../process/metrics-server.ts';
import { VERSION } from '../process/version.ts';
import type { WorkerSettings } from '../settings.ts';
import { countPayments, countPublished, showThresholds, watchActivities } from './metrics.ts';

export interface Watching {
  /** Runs around each activity. */
  watch: ActivityInterceptorsFactory;
  onPaymentMove: (moved: RecordedPayment) => void;
  onPublished: (published: readonly JustPublished[]) => void;
  /** Serves the metrics until the signal fires, those of these pools besides. */
  serve: (
    pools: Readonly<Partial<Record<PoolName, Pick<DatabasePool, 'connections' | 'use'>>>>,
    signal: AbortSignal,
  ) => Promise<void>;
}

/** @param database of the steps. */
export function openWatching(settings: WorkerSettings, database: DatabasePool, logger: Logger): Watching {
  const { METRICS_HOST: host, METRICS_PORT: port, thresholds } = settings;
  const metrics = openMetrics(
    { ...PROCESS_METRICS, ...WORKER_METRICS, ...INSTALLATION_METRICS },
    { withNode: port !== 0 },
  );
  metrics.set('holdfast_build_info', { version: VERSION }, 1);
  showThresholds(metrics, thresholds);
  watchPool(metrics, 'worker', database);
  collectInstallation(metrics, database, {
    report: (error) => logger.warn({ err: error }, 'could not read what the metrics say, trying again'),
  });
  return {
    watch: watchActivities(logger, metrics),
    onPaymentMove: countPayments(metrics),
    // Without anybody who reads them, PostgreSQL need not be asked.
    onPublished:
      port === 0
        ? () => {}
        : countPublished(metrics, database, (error) =>
            logger.warn({ err: error }, 'could not read what was published for the metrics'),
          ),
    serve({ webhooks, payments }, signal) {
      if (webhooks) watchPool(metrics, 'webhooks', webhooks);
      if (payments) watchPool(metrics, 'payments', payments);
      return serveMetrics({
        host,
        port,
        signal,
        answer: () => metrics.answer(),
        listening: (address) => logger.info(address, 'serving metrics'),
        report: (error) => logger.warn({ err: error, host, port }, 'could not serve metrics, trying again'),
      });
    },
  };
}
