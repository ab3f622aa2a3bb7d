/** PostgreSQL is silent, slow or gone: nothing waits forever, and nothing is done twice. */
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { createApi } from '../../api/app.ts';
import { openOrderClient } from '../../client/orders.ts';
import { sql as drizzle } from 'drizzle-orm';
import { openDatabase } from '../../db/connection.ts';
import { QUERY_DEADLINE_MS } from '../../domain/timeouts.ts';
import { orderWorkflowId } from '../../domain/workflow-ids.ts';
import { pino } from 'pino';
import { expectRulesHold } from '../support/database.ts';
import { countEvents, untilEvents } from '../support/history.ts';
import { startProxy } from '../support/proxy.ts';
import { Shop } from '../support/shop.ts';
import { startSystem } from '../support/system.ts';
import { until } from '../support/until.ts';

const proxy = await startProxy(inject('databaseUrl'));
const { shop, sql, client, url, reach } = await startSystem({
  workerDatabaseUrl: (direct) => proxy.through(direct),
  workerConnections: 1,
});

beforeEach(() => proxy.heal());
afterEach(async () => {
  proxy.heal();
  await expectRulesHold(sql);
});

describe('a query', () => {
  const open = () => openDatabase(proxy.through(url), { connections: 2, name: 'test' });

  test('on a connection that went silent ends at its deadline, and the next query gets another connection', async () => {
    const database = open();
    await database.run((to) => to.sql`select 1`);
    proxy.cut();
    const started = performance.now();
    await expect(database.run((to) => to.sql`select 1`)).rejects.toThrow('PostgreSQL gave no answer');
    expect(performance.now() - started).toBeLessThan(QUERY_DEADLINE_MS + 1_000);
    proxy.heal();
    expect(await database.run((to) => to.sql`select 1 as one`)).toEqual([{ one: 1 }]);
    await database.close();
  });

  test('that is slow is ended by the server, which says why', async () => {
    const database = open();
    await expect(database.run((to) => to.sql`select pg_sleep(60)`)).rejects.toThrow('statement timeout');
    await database.close();
  });

  test('that failed after its first rows leaves none of them in the results of later queries', async () => {
    const database = openDatabase(url, { connections: 1, name: 'test' });
    const fail = () => database.run((to) => to.sql`select 1 / (4 - i) from generate_series(1, 9) as i`);
    await expect(fail()).rejects.toThrow('division by zero');
    expect(await database.run((to) => to.sql`select 1 as one`)).toEqual([{ one: 1 }]);
    await expect(fail()).rejects.toThrow('division by zero');
    const inTransaction = await database.run((to) =>
      to.sql.begin(async (transaction) => {
        await transaction`select`;
        await transaction
          .savepoint((inner) => inner`select 1 / (4 - i) from generate_series(1, 9) as i`)
          .catch(() => {});
        return transaction`select i from generate_series(1, 3) as i`;
      }),
    );
    expect([...inTransaction]).toEqual([{ i: 1 }, { i: 2 }, { i: 3 }]);
    await expect(fail()).rejects.toThrow('division by zero');
    expect(await database.run((to) => to.orm.execute<{ i: number }>(drizzle`select 7 as i`))).toEqual([
      { i: 7 },
    ]);
    await database.close();
  });

  test('has a session that PostgreSQL ends within 11 s after its client disappeared', async () => {
    const database = open();
    const [keepalive] = await database.run(
      (to) => to.sql`
        select
          current_setting('tcp_keepalives_idle') as idle,
          current_setting('tcp_keepalives_interval') as interval,
          current_setting('tcp_keepalives_count') as count,
          current_setting('tcp_user_timeout') as unacknowledged
      `,
    );
    // Read from the session's socket. Only Linux has the last one.
    const silence = process.platform === 'linux' ? '11000' : '0';
    expect(keepalive).toEqual({ idle: '5', interval: '2', count: '3', unacknowledged: silence });
    await database.close();
  });

  test('gets another session after its own was ended', async () => {
    const database = open();
    const pid = async () =>
      (await database.run((to) => to.sql<{ pid: number }[]>`select pg_backend_pid() as pid`))[0]?.pid;
    const first = (await pid()) ?? 0;
    await sql`select pg_terminate_backend(${first})`;
    expect(await until('a new session', () => pid().catch(() => undefined))).not.toBe(first);
    await database.close();
  });
});

/** Prepares the statements on the worker's only connection: only then does it send the next one without waiting for an answer. */
async function warmUp(): Promise<void> {
  const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(5_000)]);
  const id = await shop.placed(wallet, sku, 1, { paymentMode: 'hold' });
  expect(await shop.pay(id)).toMatchObject({ status: 200 });
}

describe('a worker that loses PostgreSQL in the middle of an order', () => {
  test('carries out the payment once PostgreSQL is back', async () => {
    const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(5_000)]);
    const id = await shop.placed(wallet, sku);
    proxy.cut();
    const paying = shop.pay(id);
    await untilEvents(client, orderWorkflowId(id), 'activityTaskScheduledEventAttributes', 1);
    proxy.heal();
    expect(await paying).toMatchObject({ status: 200, body: { stage: 'paid' } });
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 4_500, held: 0 });
  });

  test('takes the money once when the answer to the payment is lost', async () => {
    await warmUp();
    const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(5_000)]);
    const id = await shop.placed(wallet, sku);
    proxy.cut('answers');
    const paying = shop.pay(id);
    await until('the payment to be committed', async () => (await shop.stageOf(id)) === 'paid');
    await untilEvents(client, orderWorkflowId(id), 'activityTaskScheduledEventAttributes', 1);
    proxy.heal();
    expect(await paying).toMatchObject({ status: 200, body: { stage: 'paid' } });
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 4_500, held: 0 });
    expect(await countEvents(client, orderWorkflowId(id), 'activityTaskScheduledEventAttributes')).toBe(1);
  });

  test('reserves once when the answer to the reservation is lost', async () => {
    const [sku, wallet] = await Promise.all([shop.sku(10), shop.wallet(5_000)]);
    await warmUp();
    proxy.cut('answers');
    const placing = shop.order(wallet, [{ sku, quantity: 3 }], { paymentMode: 'hold' });
    await until('the reservation to be committed', async () => {
      const [row] = await sql<{ reserved: number }[]>`select reserved from sku where sku = ${sku}`;
      return row?.reserved === 3;
    });
    proxy.heal();
    expect(await placing).toMatchObject({ status: 201, body: { stage: 'awaiting_payment' } });
    expect(await shop.stockOf(sku)).toEqual({ onHand: 10, reserved: 3, available: 7 });
    expect(await shop.balanceOf(wallet)).toEqual({ posted: 5_000, held: 1_500 });
  });
});

test('an API that has lost PostgreSQL says so within 5 s, and the same request takes effect once when it is sent again', async () => {
  const [sku, wallet, key] = [await shop.sku(10), await shop.wallet(0), randomUUID()];
  const database = openDatabase(proxy.through(url), { connections: 2, name: 'test' });
  const temporal = openOrderClient(reach);
  const api = createApi({
    database,
    temporal,
    logger: pino({ level: 'silent' }),
    paymentWindow: 60_000,
    attentionAfter: 60_000,
  });
  const severed = new Shop((path, init) => api.request(path, init));
  const send = () => severed.order(wallet, [{ sku, quantity: 1 }], {}, { key });

  await severed.get(`/v1/skus/${sku}`);
  proxy.cut();
  const started = performance.now();
  const refused = await send();
  expect(performance.now() - started).toBeLessThan(5_000);
  expect(refused).toMatchObject({ status: 503, body: { code: 'unavailable' } });
  expect(refused.headers.get('retry-after')).toBe('1');

  proxy.heal();
  const placed = await until('an answer', async () => {
    const answer = await send();
    return answer.status === 503 || answer.body['code'] === 'idempotency_in_progress' ? undefined : answer;
  });
  expect(placed.status).toBe(201);
  expect(await shop.stockOf(sku)).toEqual({ onHand: 10, reserved: 1, available: 9 });
  await Promise.all([database.close(), temporal.close()]);
});
