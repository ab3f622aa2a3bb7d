/** Settings for metrics: where each process serves its own. */
import { z } from 'zod';
import { host, port } from './addresses.ts';

export const API_METRICS_PORT = 9_464;
export const WORKER_METRICS_PORT = 9_465;
const SDK_METRICS_PORT = 9_466;

/** Of every process; they differ in their port, so that all of them can run on one machine. */
const metricsSchema = (ownPort: number) =>
  z.object({
    /** They need no credentials: nobody else should reach them. */
    METRICS_HOST: host.default('127.0.0.1'),
    /** 0: none are served. */
    METRICS_PORT: port.default(ownPort),
  });

export const apiMetricsSchema = metricsSchema(API_METRICS_PORT);

export const workerMetricsSchema = metricsSchema(WORKER_METRICS_PORT).extend({
  /** Temporal's SDK serves its own, and takes no others. */
  SDK_METRICS_PORT: port.default(SDK_METRICS_PORT),
});
