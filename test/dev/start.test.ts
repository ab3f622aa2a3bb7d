/** `npm start` with real processes that are killed, stopped and started again. */
import { createServer } from 'node:net';
import { once } from 'node:events';
import { randomUUID } from 'node:crypto';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { makeKeyId, makeKeyText } from '../../domain/api-key.ts';
import type { ServerName } from '../../dev/up/servers.ts';
import { freePort } from '../../dev/ports.ts';
import { LOCAL_PROVIDER } from '../../dev/provider/local.ts';
import { mistakesAt } from '../support/observed.ts';
import { PrometheusReader } from '../support/prometheus.ts';
import { hasProgram } from '../support/promtool.ts';
import { startScript } from '../support/server-process.ts';
import { isAlive, localFolder, type LocalSystem } from '../support/local-system.ts';
import type { Answer } from '../support/answer.ts';
import { expectStatus, idOf } from '../support/shop.ts';
import { until } from '../support/until.ts';

/** Sends the same request with the same key until the answer is not "try again", as a careful caller does. */
const persist = (what: string, call: () => Promise<Answer>): Promise<Answer> =>
  until(
    what,
    async () => {
      const answer = await call().catch(() => undefined);
      const tryAgain =
        answer === undefined || answer.status === 503 || answer.body['code'] === 'idempotency_in_progress';
      return tryAgain ? undefined : answer;
    },
    40_000,
  );

/** Places an order that waits for payment, however often what was killed last makes the caller send again. */
async function place({ shop }: LocalSystem, wallet: string, sku: string, more: object = {}): Promise<string> {
  const key = randomUUID();
  const send = () => shop.order(wallet, [{ sku, quantity: 1 }], more, { key });
  return idOf(expectStatus(await persist('an order', send), 201));
}

const payloadsOf = z.object({
  payloads: z.array(z.object({ metadata: z.record(z.string(), z.string()), data: z.string() })),
});
/** A history as the Web UI gets it. */
const startedWith = z.object({
  history: z.object({
    events: z.tuple(
      [z.object({ workflowExecutionStartedEventAttributes: z.object({ input: payloadsOf }) })],
      z.unknown(),
    ),
  }),
});

async function kill(system: LocalSystem, name: ServerName): Promise<void> {
  const pid = (await system.pids()).get(name);
  if (pid === undefined) throw new Error(`${name} does not run`);
  process.kill(pid, 'SIGKILL');
}

/** Where it is not installed, nothing scrapes. */
const canObserve = hasProgram('prometheus');

describe('a system', async () => {
  const folder = await localFolder();
  const keyFile = join(folder.path, 'development-key');
  const keyOf = async () => (await readFile(keyFile, 'utf8')).trimEnd();
  const PROVIDER_PORT = String(await freePort());
  const METRICS_PORT = canObserve ? String(await freePort()) : '0';
  const system = await folder.start({ PROVIDER_PORT, METRICS_PORT }, ...(canObserve ? ['--observe'] : []));
  const { shop } = system;

  test('has a development key that only its user can read, and that opens the API, its page and the commands', async () => {
    const key = await keyOf();
    expect((await stat(keyFile)).mode & 0o777).toBe(0o600);
    expect(system.output()).toContain(`key=${key}`);
    expect(await (await fetch(`${system.api}/docs/start.js`)).text()).toContain(key);
    expectStatus(await shop.get('/v1/keys'), 200);
    expect(await folder.run('dev/demo/demo.ts')).toMatchObject({ code: 0 });
    expect((await stat(join(folder.path, 'personal-data-keys'))).mode & 0o777).toBe(0o600);
    expect(await folder.run('ops/personal-data.ts', 'status')).toMatchObject({
      code: 0,
      output: expect.stringMatching(/^PERSONAL_DATA_KEYS {2}local .*current\nPERSONAL_DATA_INDEX_KEYS /),
    });
    expect((await stat(join(folder.path, 'webhook-keys'))).mode & 0o777).toBe(0o600);
    expect(await folder.run('ops/webhooks.ts', 'status')).toMatchObject({
      code: 0,
      output: expect.stringMatching(/^WEBHOOK_SECRET_KEYS {2}local {2}0 secrets {2}current\n$/),
    });
    expect(await folder.run('ops/keys.ts', 'list')).toMatchObject({
      code: 0,
      output: expect.stringMatching(/^\w{12}  installation  .*for development.*\n$/),
    });
  }, 120_000);

  test('gives Temporal nothing that can be read without its keys, which its Web UI has read by the codec server', async () => {
    const ask = async (path: string): Promise<unknown> =>
      (await fetch(`${system.webUi}/api/v1/${path}`)).json();
    const [sku, wallet] = await Promise.all([shop.sku(1), shop.wallet(0)]);
    const order = await shop.placed(wallet, sku);
    const { Codec } = z.object({ Codec: z.object({ Endpoint: z.string() }) }).parse(await ask('settings'));
    const history = await ask(`namespaces/default/workflows/order-${order}/history?execution.runId=`);
    const input = startedWith.parse(history).history.events[0].workflowExecutionStartedEventAttributes.input;
    const [given] = input.payloads;
    expect(Buffer.from(given?.data ?? '', 'base64').toString('latin1')).not.toContain(wallet);
    expect(given?.metadata).toMatchObject({
      encoding: Buffer.from('binary/encrypted').toString('base64'),
    });

    const decode = (endpoint: string) =>
      fetch(`${endpoint}/decode`, {
        method: 'POST',
        headers: { origin: system.webUi, 'x-namespace': 'default' },
        body: JSON.stringify(input),
      });
    const { payloads } = payloadsOf.parse(await (await decode(Codec.Endpoint)).json());
    expect(JSON.parse(Buffer.from(payloads[0]?.data ?? '', 'base64').toString())).toMatchObject({
      orderId: order,
      walletId: wallet,
    });
    expect((await decode(new URL(Codec.Endpoint).origin)).status).toBe(401);
  });

  test('takes payments from the provider that runs beside it, which notifies it of them', async () => {
    const provider = startScript('dev/provider/main.ts', { HOLDFAST_DATA: folder.path, PROVIDER_PORT });
    await until('the provider to be ready', async () => provider.printed().includes('ready at'));
    const [sku, wallet] = await Promise.all([shop.sku(1), shop.wallet(0)]);
    const order = await shop.placed(wallet, sku);
    expectStatus(
      await shop.post(`/v1/orders/${order}/payments`, { method: 'provider', source: 'pending' }),
      201,
    );
    await until('the order to be paid', async () => (await shop.stageOf(order)) === 'paid' || undefined);
    await until('every notification to be accepted', async () => {
      const book = await fetch(`http://127.0.0.1:${PROVIDER_PORT}/v1/book`, {
        headers: { authorization: `Bearer ${LOCAL_PROVIDER.key}` },
      });
      return z.object({ waiting: z.int() }).parse(await book.json()).waiting === 0;
    });
  }, 60_000);

  test('whose processes are killed one after the other loses no order, takes no money twice, and breaks no rule', async () => {
    const [sku, wallet] = await Promise.all([shop.sku(100), shop.wallet(100_000)]);
    const victims: ServerName[] = ['Worker', 'API', 'PostgreSQL', 'Temporal'];
    for (const victim of victims) {
      const waiting = await Promise.all([1, 2, 3].map(() => place(system, wallet, sku)));
      const killing = kill(system, victim);
      const paying = waiting.map((id) =>
        persist(`a payment after ${victim} was killed`, () => shop.pay(id, { key: `pay ${id}` })),
      );
      const [created, paid] = await Promise.all([place(system, wallet, sku), Promise.all(paying), killing]);
      for (const answer of paid) expectStatus(answer, 200);
      const cancelled = await persist('the cancel', () =>
        shop.cancel(created, 'test', { key: `cancel ${created}` }),
      );
      expectStatus(cancelled, 200);
    }
    expect(await shop.stockOf(sku)).toEqual({ onHand: 88, reserved: 0, available: 88 });
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 100_000 - 12 * 500, held: 0 });
    expect(await folder.run('ops/check.ts')).toMatchObject({ code: 0 });
    expect(await folder.run('ops/replay.ts')).toMatchObject({ code: 0 });
  }, 150_000);

  test.skipIf(!canObserve)(
    'is observed by a real Prometheus, which can answer every query of the alert rules and of the dashboards',
    async () => {
      const prometheus = new PrometheusReader(/Prometheus (http:\S+:\d+)/.exec(system.output())?.[1] ?? '');
      const [sku, wallet] = await Promise.all([shop.sku(3), shop.wallet(10_000)]);
      const ids = await Promise.all([1, 2, 3].map(() => shop.placed(wallet, sku)));
      const [paid = '', refunded = '', cancelled = ''] = ids;
      expectStatus(await shop.order(wallet, [{ sku, quantity: 1 }]), 409);
      for (const id of [paid, refunded]) expectStatus(await shop.pay(id), 200);
      expectStatus(await shop.refund(refunded, true), 200);
      expectStatus(await shop.cancel(cancelled), 200);
      // Each part is scraped every few seconds, and the monitor measures every minute.
      let mistakes: string[] = [];
      const isRight = async () => (mistakes = await mistakesAt(prometheus)).length === 0;
      await until('every query to be answered', isRight, 90_000).catch(() => {});
      expect(mistakes).toEqual([]);
      expect(await prometheus.targets()).toEqual(
        ['holdfast-api', 'holdfast-worker', 'holdfast-worker-sdk', 'temporal-server'].map((job) => ({
          job,
          health: 'up',
          lastError: '',
        })),
      );
    },
    150_000,
  );

  test('that is stopped and started again goes on where it was: it keeps its key and every deadline, reads what it has encrypted, and expires an order whose deadline passed while it was stopped', async () => {
    const wallet = await shop.wallet(5_000);
    const sku = await shop.sku(10);
    const key = await keyOf();
    const contact = { email: 'ada@example.com' };
    const patient = await place(system, wallet, sku, { paymentMode: 'hold', contact });
    const { body: before } = await shop.get(`/v1/orders/${patient}`);
    expect(before).toMatchObject({ contact });
    const pids = [...(await system.pids()).values()];
    expect(await system.stop()).toBe(0);
    expect(pids.filter(isAlive)).toEqual([]);

    // Stopping and starting takes longer than this window.
    const second = await folder.start({ PAYMENT_WINDOW: '2s' });
    expect(await keyOf()).toBe(key);
    const hasty = await place(second, wallet, sku, { paymentMode: 'hold' });
    expect(await second.stop()).toBe(0);

    const third = await folder.start();
    await until('the order whose deadline passed to expire', async () =>
      (await third.shop.stageOf(hasty)) === 'expired' ? true : undefined,
    );
    expect((await third.shop.get(`/v1/orders/${patient}`)).body).toEqual(before);
    expect(await third.shop.pay(patient)).toMatchObject({ status: 200, body: { stage: 'paid' } });
    expect(await third.shop.balanceOf(wallet)).toEqual({ posted: 4_500, held: 0 });
    expect(await third.stop()).toBe(0);
  }, 120_000);

  test('whose development key was lost, or is that of another database, gets one that works at its next start', async () => {
    await writeFile(keyFile, `${makeKeyText(makeKeyId()).text}\n`);
    const lost = await keyOf();
    const fourth = await folder.start();
    expect(await keyOf()).not.toBe(lost);
    expect((await stat(keyFile)).mode & 0o777).toBe(0o600);
    expectStatus(await fourth.shop.get('/v1/keys'), 200);
    expect(await fourth.stop()).toBe(0);
  }, 120_000);
});

describe('a start that cannot succeed', async () => {
  const folder = await localFolder();

  test('because a port is taken names the port and the setting that changes it', async () => {
    const squatter = createServer().listen(0, '127.0.0.1');
    await once(squatter, 'listening');
    const address = squatter.address();
    const port = typeof address === 'object' && address ? String(address.port) : '';
    await expect(folder.start({ TEMPORAL_PORT: port })).rejects.toThrow(
      new RegExp(`Port ${port} \\(Temporal\\) is taken by another program. Set TEMPORAL_PORT to a free one.`),
    );
    squatter.close();
  });

  test.each([
    [
      'the temporal command does not exist',
      { TEMPORAL_CLI: '/nowhere/temporal' },
      /TEMPORAL_CLI is \/nowhere\/temporal/,
    ],
    ['a setting is wrong', { PAYMENT_WINDOW: 'soon' }, /PAYMENT_WINDOW must be a duration/],
  ])('because %s says so without a stack', async (_name, settings, message) => {
    const failure: unknown = await folder.start(settings).catch((error: unknown) => error);
    expect(String(failure)).toMatch(message);
    expect(String(failure)).not.toMatch(/^ +at /m);
  });
});
