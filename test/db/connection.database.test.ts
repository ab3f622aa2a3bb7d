/** Waiting for a connection is not waiting for an answer: only the second says anything about PostgreSQL. */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, inject, onTestFinished, test } from 'vitest';
import { openDatabase, type Database } from '../../db/connection.ts';
import { DatabaseBusyError } from '../../db/errors.ts';
import { CONNECTION_DEADLINE_MS, QUERY_DEADLINE_MS, STATEMENT_TIMEOUT_MS } from '../../domain/timeouts.ts';
import { connectionsFor } from '../../worker/worker.ts';

function open(connections: number) {
  const database = openDatabase(inject('databaseUrl'), { connections, name: 'test' });
  onTestFinished(() => database.close());
  return database;
}

const session = async (database: Database) =>
  (await database.run(({ sql }) => sql<{ pid: number }[]>`select pg_backend_pid() as pid`))[0]?.pid;

/** Less than the statement time-out. */
const BUSY_S = 1.3;
/** As many as keep one connection busy while a query waits for it. */
const BUSY_QUERIES = Math.ceil(CONNECTION_DEADLINE_MS / (1_000 * BUSY_S));

test('a query that gets no connection in time is refused as busy, and the pool stays as it is', async () => {
  const database = open(1);
  const before = await session(database);
  const running = Array.from({ length: BUSY_QUERIES }, () =>
    database.run(({ sql }) => sql`select pg_sleep(${BUSY_S})`),
  );
  await expect(session(database)).rejects.toThrow(DatabaseBusyError);
  await Promise.all(running);
  expect(await session(database)).toBe(before);
});

test('a hundred queries of a slow database wait for their turn, and the database is not mistaken for one that does not answer', async () => {
  const database = open(2);
  const before = await Promise.all([session(database), session(database)]);
  const slow = Array.from({ length: 100 }, () => database.run(({ sql }) => sql`select pg_sleep(0.1)`));
  const ended = await Promise.allSettled(slow);
  const errors = ended
    .filter(({ status }) => status === 'rejected')
    .map((one) => 'reason' in one && one.reason);
  expect(errors.every((error) => error instanceof DatabaseBusyError)).toBe(true);
  expect(before).toContain(await session(database));
});

test('queries get their connections in order of arrival', async () => {
  const database = open(1);
  const order: number[] = [];
  await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      database.run(({ sql }) => sql`select`).then(() => order.push(index)),
    ),
  );
  expect(order).toEqual(Array.from({ length: 20 }, (_, index) => index));
});

test('a transaction holds one connection, and gives it back when it fails', async () => {
  const database = open(1);
  const failing = database.run(({ sql }) =>
    sql.begin(async (transaction) => {
      await transaction`select 1`;
      throw new Error('changed its mind');
    }),
  );
  const next = session(database);
  await expect(failing).rejects.toThrow('changed its mind');
  expect(await next).toBeGreaterThan(0);
});

test('a check of the database has a connection of its own, so it does not wait for queries', async () => {
  const database = open(1);
  const order: string[] = [];
  const running = database.run(({ sql }) => sql`select pg_sleep(1)`).then(() => order.push('query'));
  await database.check().then(() => order.push('check'));
  await running;
  expect(order).toEqual(['check', 'query']);
});

test('a process that was busy itself does not report PostgreSQL as silent', async () => {
  const database = open(1);
  const before = await session(database);
  const running = database.run(({ sql }) => sql`select pg_sleep(0.01)`);
  // The query is sent, and its answer arrives while nothing here reads it.
  await delay(5);
  const until = performance.now() + QUERY_DEADLINE_MS + 100;
  while (performance.now() < until);
  await running;
  expect(await session(database)).toBe(before);
});

test('a statement ends before its query gives up, and a step of a worker does not wait for a connection', () => {
  expect(STATEMENT_TIMEOUT_MS).toBeLessThan(QUERY_DEADLINE_MS);
  // Its steps of both kinds together.
  expect(connectionsFor(20)).toBeGreaterThanOrEqual(2 * 20);
});
