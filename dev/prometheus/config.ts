/** What a local Prometheus scrapes and which rules it has: ops/prometheus/prometheus.yml for one machine. */
import { join } from 'node:path';
import { ROOT } from '../../cli/data-folder.ts';

/** The jobs as the rules and the dashboards know them. */
export type Job = 'holdfast-api' | 'holdfast-worker' | 'holdfast-worker-sdk' | 'temporal-server';

/** The server's own metrics that the rules and the dashboards need, of some ten thousand series. */
export const SERVER_METRICS = [
  'approximate_backlog_age_seconds',
  'poll_success',
  'poll_success_sync',
  'persistence_latency_bucket',
  'service_error_with_type',
  'service_latency_bucket',
  'semaphore_latency_bucket',
].join('|');

/** Ports of 127.0.0.1. */
export type Targets = ReadonlyMap<Job, number>;

export interface LocalConfig {
  targets: Targets;
  /** The public address of the operations page, for links into the runbook. */
  operationsUrl: string;
  /** How often it scrapes, and evaluates the rules. */
  everySeconds: number;
}

/** JSON is YAML. */
export const localConfig = ({ targets, operationsUrl, everySeconds }: LocalConfig): string =>
  JSON.stringify(
    {
      global: {
        scrape_interval: `${everySeconds}s`,
        evaluation_interval: `${everySeconds}s`,
        external_labels: { operations_url: operationsUrl },
      },
      rule_files: [join(ROOT, 'ops/prometheus/rules/*.yml')],
      scrape_configs: [...targets].map(([job, port]) => ({
        job_name: job,
        static_configs: [{ targets: [`127.0.0.1:${port}`] }],
        ...(job === 'temporal-server' && {
          metric_relabel_configs: [{ source_labels: ['__name__'], regex: SERVER_METRICS, action: 'keep' }],
        }),
      })),
    },
    null,
    2,
  );
