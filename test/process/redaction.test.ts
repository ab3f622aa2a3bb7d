/**
 * No log, no terminal and no workflow's history shows a password, a token, or a value that a statement was given. Secrets are planted
 * wherever one can be, real processes are made to fail, and everything they print is searched; what an operator needs is in it.
 */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { drizzle } from 'drizzle-orm/postgres-js';
import { sql as statement } from 'drizzle-orm';
import { afterAll, describe, expect, inject, test } from 'vitest';
import { createApi } from '../../api/app.ts';
import { openDatabase } from '../../db/connection.ts';
import { openLogger } from '../../process/log.ts';
import { describeError, printable, safeError } from '../../process/redaction.ts';
import {
  apiSettings,
  databaseSettings,
  localSettings,
  systemSettings,
  workerSettings,
} from '../../settings.ts';
import { freshDatabase } from '../support/database.ts';
import { readHistory } from '../support/history.ts';
import { runScripts, startScript, type TestProcess } from '../support/server-process.ts';
import { Shop } from '../support/shop.ts';
import { startSystem } from '../support/system.ts';
import { until } from '../support/until.ts';

const PASSWORD = 'pl4nted-p4ssword';
const BUYER = 'planted.buyer@example.com';
const TOKEN = 'pl4nted-t0ken';
const PLANTED = /pl4nted|planted\.buyer/;

const system = await startSystem();
const { shop, client, sql, taskQueue } = system;
const servers = { DATABASE_URL: withPassword(system.url), TEMPORAL_ADDRESS: inject('temporalAddress') };
const unreachable = `postgres://holdfast:${PASSWORD}@127.0.0.1:1/holdfast`;
const noSuchDatabase = Object.assign(new URL(servers.DATABASE_URL), { pathname: '/nowhere' }).href;

function withPassword(url: string): string {
  return Object.assign(new URL(url), { password: PASSWORD }).href;
}

const COMMANDS = [
  'ops/migrate.ts',
  'ops/check.ts',
  'ops/reconcile.ts',
  'ops/replay.ts',
  'dev/up/start.ts',
] as const;

const elsewhere = {
  ...servers,
  TASK_QUEUE: `${taskQueue}-none`,
  // The script must not find a system that somebody started here.
  HOLDFAST_DATA: `/tmp/holdfast-none-${randomUUID()}`,
  PORT: '0',
  POSTGRES_PORT: '0',
  TEMPORAL_PORT: '0',
  WEB_UI_PORT: '0',
};

describe('the process', async () => {
  const wrong = {
    ...elsewhere,
    DATABASE_URL: `postgres://holdfast:${PASSWORD}#x@127.0.0.1:5432/holdfast`,
    TEMPORAL_ADDRESS: `holdfast:${PASSWORD}@127.0.0.1:7233`,
    ALERT_WEBHOOK_URL: `ftp://example.com/${TOKEN}`,
  };
  const commands = await runScripts(COMMANDS, wrong);

  test.each(COMMANDS)('%s with wrong addresses names the settings and hides their values', (script) => {
    const { code, output = '' } = commands.get(script) ?? {};
    expect(code, output).toBe(2);
    expect(output).not.toMatch(PLANTED);
    expect(output).toContain('DATABASE_URL');
    if (script !== 'ops/migrate.ts') expect(output).toContain('TEMPORAL_ADDRESS');
  });

  // Each reads its settings and prints what is wrong in its own way.
  test.each([
    ['api/main.ts', ['DATABASE_URL', 'TEMPORAL_ADDRESS']],
    ['worker/main.ts', ['DATABASE_URL', 'TEMPORAL_ADDRESS', 'ALERT_WEBHOOK_URL']],
  ])('%s with wrong addresses names the settings and hides their values', async (script, names) => {
    const started = startScript(script, wrong);
    expect(await started.ended, started.output()).toBe(1);
    expect(started.output()).not.toMatch(PLANTED);
    for (const name of names) expect(started.output()).toContain(name);
  });
});

describe('the message about a wrong setting', () => {
  const READERS = [apiSettings, workerSettings, systemSettings, databaseSettings, localSettings];

  test.each([
    `postgres://holdfast:${PASSWORD}#x@127.0.0.1:5432/holdfast`,
    `postgres://holdfast:${PASSWORD} x@127.0.0.1:5432/holdfast`,
    `postgres://holdfast:${PASSWORD}@127.0.0.1:port/holdfast`,
    `postgres:/holdfast:${PASSWORD}@127.0.0.1/holdfast`,
  ])('names DATABASE_URL=%s and hides its value from every reader', (DATABASE_URL) => {
    for (const read of READERS) {
      expect(() => read({ ...servers, DATABASE_URL })).toThrow('DATABASE_URL');
      expect(() => read({ ...servers, DATABASE_URL })).not.toThrow(PLANTED);
    }
  });

  test.each(['https://me:pl4nted@example.com/', `ftp://example.com/${TOKEN}`])(
    'names ALERT_WEBHOOK_URL=%s and hides its value',
    (ALERT_WEBHOOK_URL) => {
      const read = () => workerSettings({ ...servers, ALERT_WEBHOOK_URL });
      expect(read).toThrow('ALERT_WEBHOOK_URL');
      expect(read).not.toThrow(PLANTED);
    },
  );
});

describe.each([
  [unreachable, 'ECONNREFUSED', 'ECONNREFUSED'],
  [noSuchDatabase, '3D000', 'database "nowhere" does not exist'],
])('without a working database, with DATABASE_URL=%s,', async (DATABASE_URL, code, sentence) => {
  const useful = [
    ['ops/migrate.ts', code],
    ['ops/check.ts', code],
    ['dev/up/start.ts', sentence],
  ] as const;
  const commands = await runScripts(
    useful.map(([script]) => script),
    { ...elsewhere, DATABASE_URL },
  );

  test.each(useful)('%s says why it failed, without the password', (script, reason) => {
    const { code: exitCode, output = '' } = commands.get(script) ?? {};
    expect(exitCode, output).toBe(1);
    expect(output).not.toMatch(PLANTED);
    expect(output).toContain(reason);
  });

  test('the API logs why it failed, without the password', async () => {
    const log: string[] = [];
    const database = openDatabase(DATABASE_URL, { connections: 1, name: 'test' });
    const api = createApi({
      database,
      temporal: system.temporal,
      logger: openLogger('api', 'trace', { write: (line: string) => void log.push(line) }),
      paymentWindow: 900_000,
      attentionAfter: 120_000,
    });
    const caller = new Shop((path, init) => api.request(path, init));
    await caller.post('/v1/wallets', { ownerId: BUYER, currency: 'EUR' });
    await database.close();
    expect(log.join('')).not.toMatch(PLANTED);
    expect(log.join('')).toContain(code);
  });
});

/** Makes a process fail by an error that nobody handles, with values in it, when it gets the signal SIGUSR2. */
const failing = await mkdtemp(join(tmpdir(), 'holdfast-redaction-'));
const NODE_OPTIONS = `--import=${join(failing, 'fail-on-signal.mjs')}`;
await writeFile(
  join(failing, 'fail-on-signal.mjs'),
  `process.on('SIGUSR2', () => {
    const error = new Error('Failed query: insert into wallet values ($1)\\nparams: ${BUYER}');
    throw Object.assign(error, { query: 'insert into wallet values ($1)', params: ['${BUYER}'], url: '${TOKEN}' });
  });`,
);
afterAll(() => rm(failing, { recursive: true, force: true }));

/** Ends a server by an error that nobody handles, and expects that its whole log names the error and no value. */
async function expectLastWords(server: TestProcess): Promise<void> {
  server.child.kill('SIGUSR2');
  expect(await server.ended, server.output()).toBe(1);
  expect(server.output()).not.toMatch(PLANTED);
  expect(server.output()).toContain('ended by an error that nobody handled');
  expect(server.output()).toContain('insert into wallet values ($1)');
}

describe('a statement that PostgreSQL refuses', () => {
  test('the API logs code, table and constraint of a refused statement, and neither the buyer nor the row, nor any value of an error that ends it', async () => {
    await sql`alter table wallet add constraint refused_by_test check (owner_id <> ${sql.unsafe(`'${BUYER}'`)})`;
    const api = startScript('api/main.ts', { ...servers, PORT: '0', LOG_LEVEL: 'trace', NODE_OPTIONS });
    const { port } = await api.says('listening');
    const caller = new Shop((path, init) => fetch(`http://127.0.0.1:${String(port)}${path}`, init));
    const refused = await caller.post('/v1/wallets', { ownerId: BUYER, currency: 'EUR' });
    expect(refused.status).toBe(500);
    await expectLastWords(api);
    for (const useful of [
      '"code":"23514"',
      '"table":"wallet"',
      '"constraint":"refused_by_test"',
      'insert into',
    ])
      expect(api.output()).toContain(useful);
  });

  test('a failed step shows neither in the Web UI nor in the history what the row held', async () => {
    const wallet = await shop.wallet(1_000);
    await shop.put(`/v1/wallets/${wallet}/permissions/${encodeURIComponent(BUYER)}`, undefined);
    const order = await shop.placed(wallet, await shop.sku(1), 1, { buyerId: BUYER });
    await sql.unsafe(`
      create function refuse() returns trigger language plpgsql as $$
      begin
        raise exception 'cannot take it from %', (select buyer_id from orders where id = new.order_id)
          using detail = 'Key (buyer)=(${BUYER})', errcode = '23514', table = 'order_step', constraint = 'refused_by_trigger';
      end $$;
      create trigger refuse before insert on order_step for each row when (new.step = 'pay') execute function refuse();
    `);
    const paying = shop.pay(order).catch((error: unknown) => error);
    const handle = client.workflow.getHandle(`order-${order}`);
    const failure = await until('the payment to be seen failing', async () => {
      const { raw } = await handle.describe();
      return raw.pendingActivities?.[0]?.lastFailure ?? undefined;
    });
    const { events } = await handle.fetchHistory();
    const shown = JSON.stringify([
      failure,
      events?.map((event) => event.markerRecordedEventAttributes?.failure),
    ]);
    expect(shown).not.toMatch(PLANTED);
    expect(shown).toMatch(/PostgreSQL refused/);
    await sql.unsafe(`drop trigger refuse on order_step; drop function refuse`);
    await paying;
  });

  test('a receiver of alerts that does not answer is named by its host, without its token, and the worker logs neither that nor any value of an error that ends it', async () => {
    const queue = `${taskQueue}-alerts`;
    const worker = startScript('worker/main.ts', {
      ...servers,
      TASK_QUEUE: queue,
      ALERT_WEBHOOK_URL: `http://127.0.0.1:1/${TOKEN}/hook?key=${TOKEN}`,
      ALERT_DATABASE_CONNECTIONS: '0',
      MONITOR_EVERY: '1s',
      LOG_LEVEL: 'debug',
      NODE_OPTIONS,
    });
    const handle = client.workflow.getHandle(`alerts-${queue}-database_connections`);
    const failure = await until(
      'the delivery to be seen failing',
      async () => {
        const { raw } = await handle.describe().catch(() => ({ raw: { pendingActivities: [] } }));
        return raw.pendingActivities?.[0]?.lastFailure ?? undefined;
      },
      90_000,
    );
    expect(JSON.stringify(failure)).toContain('http://127.0.0.1:1 did not answer');
    expect(JSON.stringify(failure)).not.toMatch(PLANTED);
    expect(await readHistory(client, handle.workflowId)).not.toMatch(PLANTED);
    await expectLastWords(worker);
    for (const name of ['monitor', 'stats', 'reconcile'])
      await client.schedule.getHandle(`${name}-${queue}`).delete();
    await handle.terminate();
  }, 120_000);
});

describe('every kind of refusal', async () => {
  const database = await freshDatabase();
  const orm = drizzle(database.sql);
  const V = 'pl4nted-value';

  test.each([
    ['22P02', statement`select ${V}::text::uuid`],
    ['22P02', statement`select ${`{"a": ${V}}`}::text::json`],
    ['22007', statement`select ${V}::text::timestamptz`],
    ['22003', statement`select ${`99999999999999999999`}::text::integer`],
    [
      '23514',
      statement`insert into sku (shop_id, sku, name, price, currency, on_hand) values ('main', ${V}, ${V}, 1, 'EUR', -1)`,
    ],
    ['23502', statement`insert into wallet (shop_id, id, owner_id) values ('main', gen_random_uuid(), ${V})`],
    ['42P01', statement`select ${V}::text from no_such_table`],
  ])('a refusal with code %s keeps its code and names and loses its values', async (code, query) => {
    const error: unknown = await orm.execute(query).then(
      () => undefined,
      (failure: unknown) => failure,
    );
    const { message, stack, cause } = safeError(error);
    const shown = [JSON.stringify(describeError(error)), printable(error), message, stack, String(cause)];
    const lines: string[] = [];
    const logger = openLogger('test', 'info', { write: (line: string) => void lines.push(line) });
    logger.error({ err: error, nested: { list: [error] } }, 'it failed');
    logger.error(error);
    for (const text of [...shown, ...lines]) expect(text).not.toMatch(/pl4nted|99999999999999999999/);
    expect(shown[0]).toContain(`"code":"${code}"`);
    expect(shown[1]).toContain(code);
    expect(lines).toHaveLength(2);
    for (const line of lines) expect(JSON.parse(line)).toMatchObject({ level: 50, err: { cause: { code } } });
  });

  test('a refusal with code 23505 names the constraint', async () => {
    const insert = statement`insert into sku (shop_id, sku, name, price, currency, on_hand) values ('main', ${V}, ${V}, 1, 'EUR', 0)`;
    await orm.execute(insert);
    const error: unknown = await orm.execute(insert).catch((failure: unknown) => failure);
    expect(describeError(error)).toMatchObject({
      cause: { code: '23505', table: 'sku', constraint: 'sku_pkey' },
    });
    expect(printable(error)).toMatch(/23505.*sku_pkey/);
    expect(printable(error)).not.toMatch(PLANTED);
    await database.sql`delete from sku`;
  });
});
