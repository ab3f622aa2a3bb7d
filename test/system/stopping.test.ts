/** A process that is asked to stop cuts nobody off: it answers what is under way and sends new requests elsewhere. */
import { once } from 'node:events';
import { Agent, request, type IncomingMessage } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, inject, test } from 'vitest';
import { BODY_LIMITS } from '../../api/http/body.ts';
import { REQUEST_LIMIT_MS } from '../../domain/timeouts.ts';
import { DRAIN_LIMIT_MS } from '../../api/http/drain.ts';
import { workerSettings } from '../../settings.ts';
import { FORCED_AFTER_GRACE_MS } from '../../domain/timeouts.ts';
import { expectRulesHold } from '../support/database.ts';
import { startScript, type TestProcess } from '../support/server-process.ts';
import { GENEROUS_SETTINGS } from '../support/limits.ts';
import { startSystem } from '../support/system.ts';
import { until } from '../support/until.ts';

const system = await startSystem();
const { shop, sql } = system;
afterEach(() => expectRulesHold(sql));

const environment = {
  ...GENEROUS_SETTINGS,
  DATABASE_URL: system.url,
  TEMPORAL_ADDRESS: inject('temporalAddress'),
  TASK_QUEUE: system.taskQueue,
  HOST: '127.0.0.1',
  PORT: '0',
  LOG_LEVEL: 'info',
};

interface Reply {
  status: number | undefined;
  connection: string | undefined;
  retryAfter: string | undefined;
  body: unknown;
}

/** Sends over one connection, for as long as the server keeps it open. */
function callerOf(port: unknown) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  return async (method: string, path: string, key?: string): Promise<Reply> => {
    const sent = request({
      agent,
      method,
      path,
      host: '127.0.0.1',
      port: Number(port),
      headers: {
        authorization: `Bearer ${inject('developmentKey')}`,
        ...(key !== undefined && { 'idempotency-key': key }),
      },
    });
    sent.end();
    const [answer]: IncomingMessage[] = await once(sent, 'response');
    if (answer === undefined) throw new Error('No answer.');
    const chunks = await answer.setEncoding('utf8').toArray();
    const { connection, 'retry-after': retryAfter } = answer.headers;
    return { status: answer.statusCode, connection, retryAfter, body: JSON.parse(chunks.join('')) };
  };
}

async function startApi(more: Readonly<Record<string, string>> = {}) {
  const api = startScript('api/main.ts', { ...environment, ...more });
  const { port } = await api.says('listening');
  return { api, port };
}

/** Another session holds the wallet's row, so a payment from it waits. */
async function lockWallet(wallet: string): Promise<() => Promise<void>> {
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const { promise: locked, resolve: isLocked } = Promise.withResolvers<void>();
  const holding = sql.begin(async (transaction) => {
    await transaction`select from wallet where id = ${wallet} for update`;
    isLocked();
    await released;
  });
  await locked;
  return async () => {
    release();
    await holding;
  };
}

async function orderWhosePaymentWaits() {
  const wallet = await shop.wallet(1_000);
  const order = await shop.placed(wallet, await shop.sku(1));
  const unlock = await lockWallet(wallet);
  return { order, wallet, unlock };
}

const untilPaymentWaits = (): Promise<true> =>
  until('the payment to wait for its wallet', async () => {
    const waiting = await sql`
      select from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock' and application_name = 'test worker'
    `;
    return waiting.length > 0;
  });

async function isRefused(port: unknown): Promise<boolean> {
  try {
    await callerOf(port)('GET', '/healthz');
    return false;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED';
  }
}

describe('an API that is asked to stop', () => {
  test('answers the payment that waits with its outcome, and then ends', async () => {
    const { order, wallet, unlock } = await orderWhosePaymentWaits();
    const { api, port } = await startApi();
    const paying = callerOf(port)('POST', `/v1/orders/${order}/pay`, `pay ${order}`);
    await untilPaymentWaits();
    api.child.kill('SIGTERM');
    await until('new connections to be refused', () => isRefused(port));
    await unlock();
    expect(await paying).toMatchObject({ status: 200, connection: 'close', body: { stage: 'paid' } });
    expect(await api.ended, api.output()).toBe(0);
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 500, held: 0 });
  });

  test('is no longer ready, says so with a code, and still answers requests until its load balancer notices', async () => {
    const { api, port } = await startApi({ SHUTDOWN_NOTICE: '3s' });
    const kept = callerOf(port);
    expect(await kept('GET', '/readyz')).toMatchObject({ status: 200, connection: 'keep-alive' });
    api.child.kill('SIGTERM');
    await api.says('stopping');
    const ready = await kept('GET', '/readyz');
    expect(ready).toMatchObject({
      status: 503,
      connection: 'close',
      retryAfter: '1',
      body: { code: 'stopping' },
    });
    expect(await callerOf(port)('GET', '/v1/skus/none')).toMatchObject({ status: 404, connection: 'close' });
    expect(await callerOf(port)('GET', '/healthz')).toMatchObject({ status: 200 });
    expect(await api.ended, api.output()).toBe(0);
  });

  test('does not wait for idle connections', async () => {
    const { api, port } = await startApi({ SHUTDOWN_NOTICE: '0s' });
    expect(await callerOf(port)('GET', '/healthz')).toMatchObject({ connection: 'keep-alive' });
    api.child.kill('SIGTERM');
    expect(await api.ended, api.output()).toBe(0);
  });

  test('ends at once when it is asked again, while its order goes on and a retry elsewhere gets the outcome', async () => {
    const { order, unlock } = await orderWhosePaymentWaits();
    const { api, port } = await startApi();
    const paying = callerOf(port)('POST', `/v1/orders/${order}/pay`, `pay ${order}`).catch(
      (error: unknown) => error,
    );
    await untilPaymentWaits();
    api.child.kill('SIGTERM');
    await api.says('stopping');
    api.child.kill('SIGTERM');
    expect(await api.ended, api.output()).toBe(143);
    expect(await paying).toBeInstanceOf(Error);
    await unlock();
    const paid = await until('the answer elsewhere', async () => {
      const answer = await shop.pay(order, { key: `pay ${order}` });
      return answer.status === 200 ? answer : undefined;
    });
    expect(paid.body).toMatchObject({ stage: 'paid' });
  });
});

describe('a worker that is asked to stop', () => {
  test('lets the running step end and then ends itself, and another worker carries the order on', async () => {
    const wallet = await shop.wallet(1_000);
    const sku = await shop.sku(1);
    await system.stopWorker();
    const worker = startScript('worker/main.ts', environment);
    await worker.says('worker ready');
    const order = await shop.placed(wallet, sku);
    const unlock = await lockWallet(wallet);
    const paying = shop.pay(order);
    await until('the worker to wait for the wallet', async () => {
      const waiting = await sql`
        select from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock' and application_name = 'holdfast worker'
      `;
      return waiting.length > 0;
    });
    worker.child.kill('SIGTERM');
    expect(await worker.ended, worker.output()).toBe(0);
    expect(worker.printed()).not.toContain('No workflows registered');
    await system.startWorker();
    await unlock();
    expect(await paying).toMatchObject({ status: 200, body: { stage: 'paid' } });
  });
});

describe('the process', () => {
  const scripts = ['api/main.ts', 'worker/main.ts'] as const;
  // From before its first line of code, while it loads and connects, to when it works; the tests above ask it later.
  const moments = [0, 300, 800, 1_500];

  test.each(scripts.flatMap((script) => moments.map((moment) => [script, moment] as const)))(
    '%s ends when it is asked to stop %i ms after it starts',
    async (script, moment) => {
      const started: TestProcess = startScript(script, {
        ...environment,
        TASK_QUEUE: `${system.taskQueue}-other`,
        SHUTDOWN_NOTICE: '0s',
      });
      await once(started.child, 'spawn');
      await delay(moment);
      started.child.kill('SIGTERM');
      expect(['SIGTERM', 0], started.output()).toContain(await started.ended);
      expect(started.output()).not.toMatch(/^ +at |"level":[56]0/m);
    },
  );
});

test('each wait at shutdown is longer than what it waits for', () => {
  // A request's body is read before its own time begins.
  expect(DRAIN_LIMIT_MS).toBeGreaterThan(BODY_LIMITS.patience + REQUEST_LIMIT_MS);
  const { SHUTDOWN_GRACE } = workerSettings({
    DATABASE_URL: environment.DATABASE_URL,
    TEMPORAL_ADDRESS: environment.TEMPORAL_ADDRESS,
  });
  // The longest attempt of a step, in workflows/order/steps.ts.
  expect(SHUTDOWN_GRACE).toBeGreaterThan(10_000);
  expect(FORCED_AFTER_GRACE_MS).toBeGreaterThan(10_000);
});
