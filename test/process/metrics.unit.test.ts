/** What is counted is what is shown, and nothing that anybody sends makes a series too many. */
import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { API_METRICS, INSTALLATION_METRICS, PROCESS_METRICS, WORKER_METRICS } from '../../domain/metrics.ts';
import { mostSeries, openMetrics } from '../../process/metrics.ts';

const TABLE = {
  orders_total: { type: 'counter', help: 'Orders.', labels: { outcome: ['paid', 'expired'] } },
  requests_total: { type: 'counter', help: 'Requests.', labels: { route: { atMost: 3 } } },
  wait_seconds: { type: 'histogram', help: 'Waits.', labels: {}, buckets: [1, 10] },
  waiting: { type: 'gauge', help: 'Who waits.', labels: {} },
  marks: { type: 'gauge', help: 'Marks.', labels: { reason: ['stuck', 'full'] } },
} as const;

const seriesOf = (text: string): string[] =>
  text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));

test('a counter shows zero before anything happens, and a gauge shows nothing before it is known', async () => {
  expect(seriesOf(await openMetrics(TABLE).answer())).toEqual([
    'orders_total{outcome="paid"} 0',
    'orders_total{outcome="expired"} 0',
    'wait_seconds_bucket{le="1"} 0',
    'wait_seconds_bucket{le="10"} 0',
    'wait_seconds_bucket{le="+Inf"} 0',
    'wait_seconds_sum 0',
    'wait_seconds_count 0',
  ]);
});

test('what is counted, observed and set is shown, and what is cleared no longer is', async () => {
  const metrics = openMetrics(TABLE);
  metrics.count('orders_total', { outcome: 'paid' });
  metrics.count('orders_total', { outcome: 'paid' }, 2);
  metrics.observe('wait_seconds', {}, 4);
  metrics.set('marks', { reason: 'stuck' }, 5);
  metrics.set('requests_total', { route: '/a' }, 7);
  metrics.set('requests_total', { route: '/a' }, 9);
  metrics.beforeAnswer(() => metrics.set('waiting', {}, 2));
  expect(seriesOf(await metrics.answer())).toEqual(
    expect.arrayContaining([
      'orders_total{outcome="paid"} 3',
      'requests_total{route="/a"} 9',
      'wait_seconds_bucket{le="1"} 0',
      'wait_seconds_bucket{le="10"} 1',
      'wait_seconds_sum 4',
      'marks{reason="stuck"} 5',
      'waiting 2',
    ]),
  );
  metrics.clear('marks');
  expect(await metrics.answer()).not.toContain('marks{');
});

test('however many values a label is given, it has no more series than its bound', async () => {
  const metrics = openMetrics(TABLE);
  for (let count = 0; count < 10_000; count++) metrics.count('requests_total', { route: `/${randomUUID()}` });
  const series = seriesOf(await metrics.answer()).filter((line) => line.startsWith('requests_total'));
  expect(series).toHaveLength(4);
  expect(series.at(-1)).toBe('requests_total{route="other"} 9997');
});

test('two parts of a process count for themselves', async () => {
  const [one, other] = [openMetrics(TABLE), openMetrics(TABLE)];
  one.count('orders_total', { outcome: 'paid' });
  expect(await other.answer()).toContain('orders_total{outcome="paid"} 0');
});

test('Node itself is measured where it is asked for: memory, processor and the lag of the event loop', async () => {
  const text = await openMetrics(TABLE, { withNode: true }).answer();
  for (const name of [
    'process_cpu_seconds_total',
    'process_resident_memory_bytes',
    'nodejs_eventloop_lag_p99_seconds',
  ])
    expect(text).toMatch(new RegExp(`^${name} \\d`, 'm'));
});

const TABLES = [PROCESS_METRICS, API_METRICS, WORKER_METRICS, INSTALLATION_METRICS];

test.each(TABLES.flatMap((table) => Object.entries(table)))(
  'the metric %s follows the conventions of Prometheus',
  (name, { type, help }) => {
    expect(name).toMatch(/^holdfast_[a-z_]+$/);
    expect(name.endsWith('_total')).toBe(type === 'counter');
    if (type === 'histogram') expect(name).toMatch(/_seconds$/);
    expect(help).toMatch(/^[A-Z1m].*\.$/);
  },
);

test('a worker and the installation have a few hundred series, whatever shops and buyers do', () => {
  expect(mostSeries(WORKER_METRICS)).toBeLessThan(500);
  expect(mostSeries({ ...PROCESS_METRICS, ...INSTALLATION_METRICS })).toBeLessThan(500);
});
