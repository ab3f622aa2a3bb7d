/** The local Prometheus has what the example for production has. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { localConfig } from '../../dev/prometheus/config.ts';

const configSchema = z.object({
  scrape_configs: z.array(
    z.object({
      job_name: z.string(),
      static_configs: z.array(z.object({ targets: z.array(z.string()) })),
      metric_relabel_configs: z.unknown().optional(),
    }),
  ),
});

const example = configSchema.parse(
  parse(readFileSync(new URL('../../ops/prometheus/prometheus.yml', import.meta.url), 'utf8')),
);
const local = configSchema.parse(
  JSON.parse(
    localConfig({
      targets: new Map([
        ['holdfast-api', 1],
        ['holdfast-worker', 2],
        ['holdfast-worker-sdk', 3],
        ['temporal-server', 4],
      ]),
      operationsUrl: 'http://127.0.0.1:3000/ops',
      everySeconds: 5,
    }),
  ),
);
const jobsOf = ({ scrape_configs: jobs }: z.output<typeof configSchema>) =>
  jobs.map(({ job_name, metric_relabel_configs }) => ({ job_name, metric_relabel_configs }));

test('npm start -- --observe scrapes the jobs of ops/prometheus/prometheus.yml, and keeps the same metrics of the server', () => {
  expect(jobsOf(local)).toEqual(jobsOf(example));
});

test('a part that serves no metrics is not scraped', () => {
  const config = localConfig({
    targets: new Map([['holdfast-api', 9464]]),
    operationsUrl: '',
    everySeconds: 5,
  });
  expect(configSchema.parse(JSON.parse(config)).scrape_configs).toMatchObject([
    { job_name: 'holdfast-api', static_configs: [{ targets: ['127.0.0.1:9464'] }] },
  ]);
});
