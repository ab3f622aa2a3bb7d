/**
 * What operators watch of real processes: their metrics say what happened, once; their logs follow a request into its activities; and
 * neither says what buyers entrusted to the shop.
 */
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { afterAll, describe, expect, inject, test } from 'vitest';
import { PROCESS_METRICS, WORKER_METRICS, API_METRICS, INSTALLATION_METRICS } from '../../domain/metrics.ts';
import { freePort } from '../../dev/ports.ts';
import { serveMetrics } from '../../process/metrics-server.ts';
import { freshDatabase } from '../support/database.ts';
import { lockWallet } from '../support/obstacles.ts';
import { startScript } from '../support/server-process.ts';
import { Shop, expectStatus } from '../support/shop.ts';
import { until } from '../support/until.ts';

const PLANTED = 'pl4nted';
const BUYER = `${PLANTED}.buyer@example.com`;

const { url, sql } = await freshDatabase();
const ports = { api: await freePort(), worker: await freePort(), sdk: await freePort() };
const environment = {
  DATABASE_URL: url,
  TEMPORAL_ADDRESS: inject('temporalAddress'),
  TASK_QUEUE: `test-${randomUUID()}`,
  WORKFLOW_BUNDLE: inject('workflowBundlePath'),
  LOG_LEVEL: 'debug',
};
const worker = startScript('worker/main.ts', {
  ...environment,
  METRICS_PORT: String(ports.worker),
  SDK_METRICS_PORT: String(ports.sdk),
});
const api = startScript('api/main.ts', {
  ...environment,
  PORT: '0',
  METRICS_PORT: String(ports.api),
  PAYMENT_WINDOW: '2s',
});
const { port } = await api.says('listening');
await worker.says('worker ready');
for (const process of [api, worker]) await process.says('serving metrics');
const shop = new Shop((path, init) => fetch(`http://127.0.0.1:${String(port)}${path}`, init));

const scrape = async (of: keyof typeof ports): Promise<string> =>
  (await fetch(`http://127.0.0.1:${ports[of]}/metrics`)).text();

/** The value of a series; 0 when it is not shown. */
async function valueOf(of: keyof typeof ports, series: string): Promise<number> {
  const line = (await scrape(of)).split('\n').find((one) => one.startsWith(`${series} `));
  return line === undefined ? 0 : Number(line.slice(series.length));
}

/** How far these grow while `work` runs, and until they have grown as much as expected. */
async function expectGrowth(
  of: keyof typeof ports,
  expected: Readonly<Record<string, number>>,
  work: () => Promise<void>,
): Promise<void> {
  const valuesOf = async () =>
    Promise.all(Object.keys(expected).map(async (series) => [series, await valueOf(of, series)] as const));
  const before = new Map(await valuesOf());
  await work();
  const grown = async () =>
    Object.fromEntries(
      (await valuesOf()).map(([series, value]) => [series, value - (before.get(series) ?? 0)]),
    );
  await expect.poll(grown, { timeout: 10_000, interval: 100 }).toEqual(expected);
}

/** The lines of a process about a request. */
const linesAbout = (requestId: string, of: typeof api): Readonly<Record<string, unknown>>[] =>
  of
    .output()
    .split('\n')
    .filter((line) => line.includes(requestId))
    .map((line): Readonly<Record<string, unknown>> => ({ ...JSON.parse(line) }));

describe('the metrics of a worker', () => {
  test('count each thing that happens to an order once, with how long it took', async () => {
    const [sku, wallet] = [await shop.sku(10), await shop.wallet(5_000)];
    const poor = await shop.wallet(0);
    const events = {
      'holdfast_order_events_total{type="order.awaiting_payment"}': 2,
      'holdfast_order_events_total{type="order.paid"}': 1,
      'holdfast_order_events_total{type="order.partially_refunded"}': 1,
      'holdfast_order_events_total{type="order.expired"}': 1,
      'holdfast_order_events_total{type="order.rejected"}': 1,
      'holdfast_reservations_refused_total{reason="out_of_stock"}': 1,
      'holdfast_payments_total{method="wallet",result="captured"}': 1,
      'holdfast_payments_total{method="wallet",result="declined"}': 1,
      'holdfast_order_stage_duration_seconds_count{stage="reserving"}': 3,
      'holdfast_order_stage_duration_seconds_count{stage="paying"}': 1,
      'holdfast_order_stage_duration_seconds_count{stage="refunding"}': 1,
      'holdfast_order_stage_duration_seconds_count{stage="awaiting_payment"}': 2,
      holdfast_order_expiry_delay_seconds_count: 1,
      'holdfast_step_attempts_total{step="pay",attempt="quick",result="done"}': 1,
      'holdfast_step_attempts_total{step="pay",attempt="quick",result="refused"}': 1,
      'holdfast_step_attempts_total{step="release",attempt="quick",result="done"}': 1,
      'holdfast_step_attempts_total{step="reserve",attempt="quick",result="refused"}': 1,
      'holdfast_step_attempts_total{step="reserve",attempt="fallback",result="done"}': 0,
      'holdfast_step_duration_seconds_count{step="reserve"}': 3,
    };
    await expectGrowth('worker', events, async () => {
      const expiring = await shop.placed(poor, sku);
      expectStatus(await shop.pay(expiring), 402, 409, 422);
      const paid = await shop.placed(wallet, sku);
      expectStatus(await shop.pay(paid), 200);
      expectStatus(await shop.refundOrder(paid, { reason: 'broken', amount: 100 }), 200);
      expectStatus(await shop.order(wallet, [{ sku, quantity: 11 }]), 409);
      await until('the order to expire', async () =>
        (await shop.stageOf(expiring)) === 'expired' ? true : undefined,
      );
    });
    expect(await valueOf('worker', 'holdfast_order_expiry_delay_seconds_sum')).toBeLessThan(5);
  });

  test('count an attempt that fails, its fallback and its retries, and the log says of each which request and order it is about', async () => {
    const [sku, wallet] = [await shop.sku(1), await shop.wallet(5_000)];
    const orderId = await shop.placed(wallet, sku);
    const unlock = await lockWallet(sql, wallet);
    const [failed, requestId] = [
      'holdfast_step_attempts_total{step="pay",attempt="retry",result="failed"}',
      randomUUID(),
    ];
    const before = await valueOf('worker', failed);
    const paying = shop.pay(orderId, { headers: { 'x-request-id': requestId } });
    await expect.poll(() => valueOf('worker', failed), { timeout: 20_000 }).toBeGreaterThan(before);
    await unlock();
    expectStatus(await paying, 200, 503);
    expect(await valueOf('worker', failed.replace('retry', 'quick'))).toBeGreaterThan(0);
    expect(await valueOf('worker', failed.replace('retry', 'fallback'))).toBeGreaterThan(0);

    const about = {
      requestId,
      orderId,
      workflowId: `order-${orderId}`,
      runId: expect.any(String),
      activity: 'pay',
    };
    const attempts = linesAbout(requestId, worker).filter(({ msg }) => msg === 'activity failed');
    expect(attempts.length).toBeGreaterThanOrEqual(3);
    for (const line of attempts)
      expect(line).toMatchObject({ ...about, level: 40, err: { type: 'ApplicationFailure' } });
    await until('the payment to be logged', async () =>
      linesAbout(requestId, worker).some(({ msg }) => msg === 'activity ended') ? true : undefined,
    );
    expect(linesAbout(requestId, api)).toContainEqual(expect.objectContaining({ orderId, msg: 'request' }));
    // The SDK would say each of it once more, without the request.
    expect(worker.output()).not.toMatch(/"level":40.*Activity failed/);
  });
});

describe('the log of the API', () => {
  test('names the order that a request places, and the worker the request for which it reserves', async () => {
    const requestId = randomUUID();
    const [sku, wallet] = [await shop.sku(1), await shop.wallet(5_000)];
    const headers = { 'x-request-id': requestId };
    const { body } = expectStatus(await shop.order(wallet, [{ sku, quantity: 1 }], {}, { headers }), 201);
    const line = { requestId, orderId: body.id };
    expect(linesAbout(requestId, api)).toContainEqual(
      expect.objectContaining({ ...line, status: 201, msg: 'request' }),
    );
    await until('the reservation to be logged', async () =>
      linesAbout(requestId, worker).length > 0 ? true : undefined,
    );
    expect(linesAbout(requestId, worker)).toContainEqual(
      expect.objectContaining({ ...line, activity: 'reserve', attempt: 1, msg: 'activity ended' }),
    );
  });
});

describe('the metrics of the API', () => {
  test('count requests by route, status and problem, kept answers included', async () => {
    const [sku, wallet] = [await shop.sku(1), await shop.wallet(5_000)];
    const created = 'holdfast_http_requests_total{method="POST",route="/v1/orders",status="201",code=""}';
    const refused =
      'holdfast_http_requests_total{method="POST",route="/v1/orders",status="409",code="out_of_stock"}';
    const read =
      'holdfast_http_requests_total{method="GET",route="/v1/orders/{id}",status="404",code="not_found"}';
    const timed = 'holdfast_http_request_duration_seconds_count{method="POST",route="/v1/orders"}';
    await expectGrowth('api', { [created]: 1, [refused]: 2, [read]: 1, [timed]: 3 }, async () => {
      await shop.placed(wallet, sku);
      const key = randomUUID();
      for (let time = 0; time < 2; time++)
        expectStatus(await shop.order(wallet, [{ sku, quantity: 1 }], {}, { key }), 409);
      expectStatus(await shop.getOrder(randomUUID()), 404);
    });
  });

  test('have one series for all addresses that do not exist, and none for a method that nobody knows', async () => {
    const seriesOf = async () =>
      (await scrape('api')).split('\n').filter((line) => line.startsWith('holdfast_http')).length;
    await shop.get('/v1/nothing');
    await shop.raw('/v1/nothing', { method: 'PURGE' });
    const before = await seriesOf();
    for (let count = 0; count < 50; count++) {
      await shop.get(`/v1/${randomUUID()}`);
      await shop.getOrder(randomUUID());
      await shop.raw('/v1/nothing', { method: `M${count}` });
    }
    expect(await seriesOf()).toBe(before);
  });
});

describe('the metrics of every process', () => {
  test.each([
    ['api', { ...PROCESS_METRICS, ...API_METRICS, ...INSTALLATION_METRICS }],
    ['worker', { ...PROCESS_METRICS, ...WORKER_METRICS, ...INSTALLATION_METRICS }],
  ] as const)('are all there at the %s, and Node’s own', async (of, table) => {
    const text = await scrape(of);
    for (const [name, { type }] of Object.entries(table))
      if (!/holdfast_(measure|run_end)/.test(name))
        expect(text).toMatch(
          new RegExp(`^${name}${type === 'histogram' ? '_count' : ''}(\\{[^}]*\\})? \\d`, 'm'),
        );
    expect(text).toMatch(/^nodejs_eventloop_lag_p99_seconds \d/m);
    expect(text).toMatch(/^process_cpu_seconds_total \d/m);
    expect(text).toMatch(/^holdfast_build_info\{version="\d+\.\d+\.\d+"\} 1$/m);
  });

  test('name each pool with its size', async () => {
    const sizes = ['worker', 'webhooks', 'payments'].map((pool) =>
      valueOf('worker', `holdfast_database_pool_connections{pool="${pool}"}`),
    );
    expect(await Promise.all(sizes)).toEqual([41, 4, 10]);
    expect(await valueOf('api', 'holdfast_database_pool_connections{pool="api"}')).toBe(10);
  });

  test('are those of Temporal’s SDK at a port of their own, under the names that its documentation has', async () => {
    const text = await scrape('sdk');
    for (const name of [
      'temporal_num_pollers{',
      'temporal_workflow_task_schedule_to_start_latency_seconds_bucket{',
      'temporal_request_total{',
      'temporal_worker_task_slots_available{',
    ])
      expect(text).toContain(name);
  });

  test('are at /metrics, to be read and nothing else', async () => {
    const at = `http://127.0.0.1:${ports.api}`;
    const answers = [
      await fetch(`${at}/metrics`),
      await fetch(`${at}/metrics`, { method: 'HEAD' }),
      await fetch(`${at}/`),
      await fetch(`${at}/v1/orders`),
      await fetch(`${at}/metrics`, { method: 'POST' }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 404, 404, 405]);
    expect(answers[0]?.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  });
});

test('a port that is taken keeps a process from nothing: it says so once, and serves when it is free', async () => {
  const [taken, ending] = [createServer().listen(0, '127.0.0.1'), new AbortController()];
  await once(taken, 'listening');
  const address = taken.address();
  const at = { host: '127.0.0.1', port: typeof address === 'object' && address ? address.port : 0 };
  const reports: unknown[] = [];
  const { promise: listening, resolve } = Promise.withResolvers<object>();
  const served = serveMetrics({
    ...at,
    signal: ending.signal,
    answer: async () => 'one 1\n',
    listening: resolve,
    report: (error) => void reports.push(error),
    retryAfterMs: 20,
  });
  afterAll(() => ending.abort());
  await expect.poll(() => reports.length).toBe(1);
  taken.close();
  expect(await listening).toEqual(at);
  expect(await (await fetch(`http://127.0.0.1:${at.port}/metrics`)).text()).toBe('one 1\n');
  expect(reports).toHaveLength(1);
  ending.abort();
  await served;
});

test('nothing that a buyer or a shop entrusted to Holdfast is in a metric or a log', async () => {
  const wallet = await shop.wallet(1_000, 'EUR', BUYER);
  const sku = await shop.sku(1);
  const more = {
    buyerId: BUYER,
    reference: `${PLANTED}-reference`,
    metadata: { note: `${PLANTED}-note` },
  };
  const order = await shop.placed(wallet, sku, 1, more);
  await shop.cancel(order, `${PLANTED} reason`);
  await shop.get(`/v1/orders?buyerId=${encodeURIComponent(BUYER)}`);
  await shop.post('/v1/wallets', { ownerId: PLANTED, currency: 'XXX' });
  await until('the event to be counted', async () =>
    (await valueOf('worker', 'holdfast_order_events_total{type="order.cancelled"}')) > 0 ? true : undefined,
  );
  for (const of of ['api', 'worker', 'sdk'] as const) expect(await scrape(of)).not.toContain(PLANTED);
  for (const process of [api, worker]) {
    const output = process.output();
    expect(output).toContain(order);
    expect(output).not.toContain(PLANTED);
    expect(output).not.toContain(inject('developmentKey').slice(-20));
  }
});
