/**
 * One trace leads from an HTTP request through workflow and activities to SQL and to the calls of others, it begins with its caller's and goes on
 * at those who are called, and it says nothing that somebody entrusted to us. Spans go to a real receiver of OTLP.
 */
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { pino } from 'pino';
import { afterAll, expect, inject, test } from 'vitest';
import { z } from 'zod';
import { createHttpProvider } from '../../activities/payments/http-provider.ts';
import { fetchFrom } from '../../api/client.ts';
import { ALL_SHOPS } from '../../domain/shops.ts';
import { orderWorkflowId } from '../../domain/workflow-ids.ts';
import { inSpan } from '../../process/traces.ts';
import { openTracing, type Tracing } from '../../process/tracing.ts';
import { expectRulesHold } from '../support/database.ts';
import { startPayingSystem } from '../support/paying-system.ts';
import { PROVIDER_SECRET } from '../support/provider.ts';
import { startScript } from '../support/server-process.ts';
import { Shop, expectStatus } from '../support/shop.ts';
import { ancestry, startSpanReceiver, type ReceivedSpan } from '../support/spans.ts';
import { until } from '../support/until.ts';
import { startWebhookReceiver } from '../support/webhook-receiver.ts';
import { registerWebhook } from '../support/webhooks.ts';

const receiver = await startSpanReceiver();
const logger = pino({ level: 'silent' });
const open = (share = 1): Tracing =>
  openTracing('holdfast-test', { url: receiver.url, share, followsCaller: true, sendEvery: 50 }, logger);
let tracing = open();
const system = await startPayingSystem({ webhooks: true });
const { sql, client, database, provider, send } = system;
afterAll(async () => {
  await tracing.close();
  await receiver.close();
});

/** A shop that sends these headers with every request. */
const shopWith = (headers: Record<string, string>): Shop =>
  new Shop((path, init) =>
    send(path, { ...init, headers: { ...Object.fromEntries(new Headers(init?.headers)), ...headers } }),
  );

/** The headers of a caller that traces. */
function aTrace(sampled = true): { traceId: string; headers: Record<string, string> } {
  const traceId = randomUUID().replaceAll('-', '');
  const parent = randomUUID().replaceAll('-', '').slice(0, 16);
  return { traceId, headers: { traceparent: `00-${traceId}-${parent}-${sampled ? '01' : '00'}` } };
}

/** Waits for the span of this name in a trace. */
const spanOf = (traceId: string, name: string): Promise<ReceivedSpan> =>
  until(`the span ${name}`, () =>
    Promise.resolve(receiver.spans.find((span) => span.traceId === traceId && span.name === name)),
  );

/** Every way from a statement up to the beginning of the trace, the beginning first. */
const waysToSql = (traceId: string): string[] => [
  ...new Set(
    receiver.spans
      .filter((span) => span.traceId === traceId && span.name === 'PostgreSQL')
      .map((span) => ancestry(receiver.spans, span).toReversed().join(' > ')),
  ),
];

const sku = await system.shop.sku(1_000);
const wallet = await system.shop.wallet(100_000);

test('a caller\u2019s trace leads through request, workflow and activity to SQL, for the placing of an order and for its payment', async () => {
  const placing = aTrace();
  const requestId = randomUUID();
  const order = await shopWith({ ...placing.headers, 'x-request-id': requestId }).placed(wallet, sku);
  const reserve = await spanOf(placing.traceId, 'RunActivity:reserve');
  expect(reserve.attributes).toMatchObject({ temporalWorkflowId: orderWorkflowId(order) });
  await until('its statement', () =>
    Promise.resolve(
      waysToSql(placing.traceId).includes(
        'POST /v1/orders > UpdateWithStartWorkflow:place > RunActivity:reserve > PostgreSQL',
      ) || undefined,
    ),
  );
  const request = await spanOf(placing.traceId, 'POST /v1/orders');
  expect(request.parentSpanId).toBe(placing.headers['traceparent']?.split('-')[2]);
  expect(request.attributes).toMatchObject({
    'http.route': '/v1/orders',
    'http.response.status_code': 201,
    'holdfast.request_id': requestId,
  });

  const paying = aTrace();
  expectStatus(await shopWith(paying.headers).pay(order), 200);
  await spanOf(paying.traceId, 'RunActivity:pay');
  await until('its statement', () =>
    Promise.resolve(
      waysToSql(paying.traceId).find((way) =>
        way.endsWith('StartWorkflowUpdate:pay > RunActivity:pay > PostgreSQL'),
      ),
    ),
  );
  const statement = receiver.spans.find(
    (span) => span.traceId === paying.traceId && ancestry(receiver.spans, span)[1] === 'RunActivity:pay',
  );
  expect(statement?.attributes['db.query.text']).toMatch(/^with locked_order as/);
});

test('a payment by provider is one trace from its request to the provider and back to its order, and no span says what it is paid with', async () => {
  const order = await system.shop.placed(wallet, sku);
  const paying = aTrace();
  const source = 'tok_Zebediah.Quillfeather/4711';
  const secrets = shopWith(paying.headers);
  expectStatus(await secrets.post(`/v1/orders/${order}/payments`, { method: 'provider', source }), 201);
  await until('the order to be paid', async () => (await system.shop.stageOf(order)) === 'paid');
  await spanOf(paying.traceId, 'POST to the payment provider');
  const settle = await spanOf(paying.traceId, 'RunActivity:settle');
  expect(ancestry(receiver.spans, settle).at(-1)).toBe('POST /v1/orders/{id}/payments');

  const personal = { contact: { name: 'Mumblethorpe', email: 'mumblethorpe@example.com' } };
  const failing = aTrace();
  await sql`alter table payment_source rename to gone`;
  const other = await shopWith(failing.headers).placed(wallet, sku, 1, personal);
  const failed = await shopWith(failing.headers).post(`/v1/orders/${other}/payments`, {
    method: 'provider',
    source,
  });
  await sql`alter table gone rename to payment_source`;
  expectStatus(failed, 500);
  const request = await spanOf(failing.traceId, 'POST /v1/orders/{id}/payments');
  expect([request.status?.code, request.status?.message]).toEqual([
    2,
    expect.stringContaining('payment_source'),
  ]);

  for (const secret of [
    source,
    'Mumblethorpe',
    'mumblethorpe',
    provider.settings.key,
    PROVIDER_SECRET.slice(6),
    'Bearer',
  ])
    expect([secret, receiver.raw().includes(secret)]).toEqual([secret, false]);
  await expectRulesHold(sql);
});

test('webhooks and the payment provider are sent the trace that their call belongs to', async () => {
  const hook = await startWebhookReceiver();
  await registerWebhook(database.reaching({ shop: ALL_SHOPS }), { url: hook.url });
  await system.shop.placed(wallet, sku);
  const [arrived] = await until('the event to arrive', () =>
    Promise.resolve(hook.arrived.length > 0 ? hook.arrived : undefined),
  );
  const [, traceId = '', parent] = (arrived?.headers['traceparent'] ?? '').split('-');
  const sent = await spanOf(traceId, 'POST to a webhook');
  expect(sent.spanId).toBe(parent);
  await spanOf(traceId, 'RunActivity:sendDue');
  expect(ancestry(receiver.spans, sent)).toEqual(['POST to a webhook', 'RunActivity:sendDue']);
  await hook.down();

  const asked: unknown[] = [];
  const server = createServer((request, response) => {
    asked.push(request.headers['traceparent']);
    response.writeHead(404, { 'content-type': 'application/json' }).end('{"code":"not_found"}');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = z.object({ port: z.number() }).parse(server.address());
  const paying = createHttpProvider({ url: `http://127.0.0.1:${port}`, key: 'test' });
  await inSpan('a payment', {}, () => paying.find('reference'));
  server.close();
  expect(asked).toEqual([expect.stringMatching(/^00-[\da-f]{32}-[\da-f]{16}-01$/)]);
});

test('a caller that does not sample is not traced, and neither is anybody while traces are off, but an activity still knows its request', async () => {
  const unsampled = aTrace(false);
  await shopWith(unsampled.headers).placed(wallet, sku);
  await tracing.close();
  const before = receiver.spans.length;
  expect(receiver.spans.filter(({ traceId }) => traceId === unsampled.traceId)).toEqual([]);

  const requestId = randomUUID();
  const order = await shopWith({ ...aTrace().headers, 'x-request-id': requestId }).placed(wallet, sku);
  const { events } = await client.workflow.getHandle(orderWorkflowId(order)).fetchHistory();
  const headers = events?.[0]?.workflowExecutionStartedEventAttributes?.header?.fields ?? {};
  expect(Object.keys(headers)).toEqual(['holdfast-request']);
  expect(Buffer.from(headers['holdfast-request']?.data ?? []).toString()).toBe(JSON.stringify(requestId));
  expect(receiver.spans).toHaveLength(before);
  tracing = open();
});

test('the API as a process traces by the standard variables, proves itself to the collector, and sends what it has when it stops', async () => {
  const collector = await startSpanReceiver();
  const api = startScript('api/main.ts', {
    DATABASE_URL: system.url,
    TEMPORAL_ADDRESS: inject('temporalAddress'),
    TASK_QUEUE: system.taskQueue,
    PORT: '0',
    SHUTDOWN_NOTICE: '0s',
    OTEL_EXPORTER_OTLP_ENDPOINT: new URL('/', collector.url).href,
    OTEL_EXPORTER_OTLP_HEADERS: 'authorization=c0llector-t0ken',
    OTEL_SERVICE_NAME: 'shop-front',
    // Nothing is sent before it stops.
    OTEL_BSP_SCHEDULE_DELAY: '60000',
  });
  const { port } = await api.says('listening');
  const shop = new Shop(fetchFrom(`http://127.0.0.1:${String(port)}`));
  expectStatus(await shop.get('/v1/currencies'), 200);
  expect(collector.spans).toEqual([]);
  expect(await api.stop()).toBe(0);
  expect(collector.spans.map(({ name }) => name)).toContain('GET /v1/currencies');
  expect(collector.headers[0]).toMatchObject({ authorization: 'c0llector-t0ken' });
  expect(collector.raw()).toContain('shop-front');
  expect(api.output()).not.toContain('c0llector');
  await collector.close();
});
