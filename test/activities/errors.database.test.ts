/** What an error means depends on where it comes from: the same code has another meaning in a file, a socket and a query. */
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'drizzle-orm';
import { afterAll, expect, test } from 'vitest';
import { toActivityFailure } from '../../activities/errors.ts';
import { toProblem } from '../../api/problems/from-error.ts';
import { openDatabase } from '../../db/connection.ts';
import type { Sql } from '../../db/postgres.ts';
import { freshDatabase } from '../support/database.ts';
import { stockedSku } from '../support/stock.ts';
import { lockSku } from '../support/obstacles.ts';

const { database, sql: unbounded } = await freshDatabase();
const nowhere = openDatabase('postgres://127.0.0.1:1/none', { connections: 1, name: 'test' });
const noSocket = openDatabase('postgres://user@localhost/none?host=/nowhere', {
  connections: 1,
  name: 'test',
});
afterAll(() => Promise.all([nowhere.close(), noSocket.close()]));

async function failureOf(work: PromiseLike<unknown>): Promise<Error> {
  try {
    await work;
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error('This should have failed.');
}

const codeOf = async (work: PromiseLike<unknown>) => toProblem(await failureOf(work)).code;

test.each([
  ['a file that does not exist', () => readFile('/nowhere/at/all')],
  ['a server that refuses a connection', () => fetch('http://127.0.0.1:1/')],
  ['an unknown host name', () => fetch('http://nowhere.invalid/')],
  ['a query that PostgreSQL does not understand', () => database.run(({ orm }) => orm.execute(sql`selec 1`))],
  ['a bug', () => Promise.reject(new TypeError('x is not a function'))],
])('%s is reported as an internal error, and not as a database that does not answer', async (_, work) => {
  expect(await codeOf(work())).toBe('internal_error');
});

test.each([
  ['does not exist', () => nowhere.run(({ sql: query }) => query`select 1`)],
  ['does not exist, queried through Drizzle,', () => nowhere.run(({ orm }) => orm.execute(sql`select 1`))],
  ['has no socket', () => noSocket.run(({ sql: query }) => query`select 1`)],
  ['ends a statement that takes too long', () => database.run(({ sql: query }) => query`select pg_sleep(5)`)],
  [
    'ends a statement of Drizzle that takes too long',
    () => database.run(({ orm }) => orm.execute(sql`select pg_sleep(5)`)),
  ],
  ['does not answer', () => database.run(() => sleep(10_000))],
])('a database that %s is reported as unavailable', async (_, work) => {
  expect(await codeOf(work())).toBe('unavailable');
});

test.each([
  ['runs too long', 'statement timeout', (ask: Sql, _sku: string) => ask`select pg_sleep(5)`],
  [
    'waits too long for a lock',
    'lock timeout',
    (ask: Sql, sku: string) => ask`select from sku where sku = ${sku} for update`,
  ],
])(
  'a statement that %s is ended by PostgreSQL before its query gives up, and its real cause reaches the operator',
  async (_, cause, statement) => {
    const sku = await stockedSku(unbounded, { onHand: 1 });
    const unlock = await lockSku(unbounded, sku);
    const failure = await failureOf(
      toActivityFailure(
        'this',
        database.run((connections) => statement(connections.sql, sku)),
      ),
    );
    await unlock();
    expect(failure).toMatchObject({ type: 'database_unavailable' });
    expect(failure.message).toContain('PostgreSQL did not carry out this in time; it is retried.');
    expect(failure.message).toContain(`canceling statement due to ${cause}`);
  },
);

test('an operator reads that the database does not answer only when the database itself failed', async () => {
  const file = await failureOf(toActivityFailure('this', readFile('/nowhere/at/all')));
  expect(file).toMatchObject({ type: 'database_refused' });
  const query = await failureOf(
    toActivityFailure(
      'this',
      nowhere.run(({ sql: ask }) => ask`select 1`),
    ),
  );
  expect(query).toMatchObject({ type: 'database_unavailable' });
});
