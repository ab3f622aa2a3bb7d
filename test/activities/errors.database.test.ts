/** An error is what it is because of where it comes from: the same code means another thing in a file, a socket and a query. */
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'drizzle-orm';
import { afterAll, expect, test } from 'vitest';
import { inWords } from '../../activities/errors.ts';
import { toProblem } from '../../api/problems/from-error.ts';
import { openDatabase } from '../../db/connection.ts';
import { freshDatabase } from '../support/database.ts';

const { database } = await freshDatabase();
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
  throw new Error('This was to fail.');
}

const codeOf = async (work: PromiseLike<unknown>) => toProblem(await failureOf(work)).code;

test.each([
  ['a file that is not there', () => readFile('/nowhere/at/all')],
  ['a server that refuses a connection', () => fetch('http://127.0.0.1:1/')],
  ['a name that is not known', () => fetch('http://nowhere.invalid/')],
  ['a query that PostgreSQL does not understand', () => database.run(({ orm }) => orm.execute(sql`selec 1`))],
  ['a bug', () => Promise.reject(new TypeError('x is not a function'))],
])('%s is an internal error, and no database that does not answer', async (_, work) => {
  expect(await codeOf(work())).toBe('internal_error');
});

test.each([
  ['is not there', () => nowhere.run(({ sql: query }) => query`select 1`)],
  ['is not there, asked by way of Drizzle', () => nowhere.run(({ orm }) => orm.execute(sql`select 1`))],
  ['has no socket', () => noSocket.run(({ sql: query }) => query`select 1`)],
  ['ends a statement that takes too long', () => database.run(({ sql: query }) => query`select pg_sleep(5)`)],
  ['ends it, asked by way of Drizzle', () => database.run(({ orm }) => orm.execute(sql`select pg_sleep(5)`))],
  ['does not answer', () => database.run(() => sleep(10_000))],
])('a database that %s is unavailable', async (_, work) => {
  expect(await codeOf(work())).toBe('unavailable');
});

test('an operator hears of a database that does not answer only where it is one', async () => {
  const file = await failureOf(inWords('this', readFile('/nowhere/at/all')));
  expect(file).toMatchObject({ type: 'database_refused' });
  const query = await failureOf(
    inWords(
      'this',
      nowhere.run(({ sql: ask }) => ask`select 1`),
    ),
  );
  expect(query).toMatchObject({ type: 'database_unavailable' });
});
