/**
 * Runs queries on PostgreSQL so that none waits longer than its deadline, whatever the network does.
 *
 * db/ holds everything that speaks SQL, and nothing that decides what happens next.
 *
 * How to write a query: a query on a single table, or on tables joined by their keys, is built with Drizzle (`orm`), so that the
 * compiler knows its columns. SQL (`sql`) is for what a builder would only hide: statements that lock rows or have several effects,
 * as the steps do, that compute over sets, or that are about the server itself. What every order is asked is SQL, too (the reads of
 * orders.ts, the claim and the answer of every POST): Drizzle prepares no statement, and building and planning it anew takes three
 * times the processor time. Such a statement takes its columns from the schema (select-list.ts).
 */
import { CONNECTION_DEADLINE_MS } from '../domain/timeouts.ts';
import type { Reach } from '../domain/access.ts';
import type { Deed } from '../domain/audit.ts';
import type { Connections, Database, LongDatabase } from './database.ts';
import { DatabaseBusyError } from './errors.ts';
import { Permits, type PermitUse } from './permits.ts';
import { openPool, type DatabaseOptions, type Pool, type PoolConnections } from './pool.ts';
import { inTransaction } from './postgres.ts';
import { inQuerySpan, noted } from './query-span.ts';
import { limitTo } from './reach.ts';

export {
  RUNNING_ROLE,
  SESSION_SILENCE_MS,
  within,
  type DatabaseOptions,
  type PoolConnections,
} from './pool.ts';
export type { Connections, Database, LongDatabase };

/** A database with what a server asks besides its queries. */
export interface DatabasePool extends LongDatabase, Pick<Pool, 'listen'> {
  run<T>(query: (connections: PoolConnections) => PromiseLike<T>): Promise<T>;
  /** Lets running queries end, except long ones, then closes every connection. */
  close(): Promise<void>;
  /** How many queries run at once. */
  readonly connections: number;
  /** How many of them run now, wait, and were refused. */
  readonly use: PermitUse;
  /** The same pool, limited to the rows that a caller can reach: see reach.ts. `by` is whose deed its changes are, the pool's unless given. */
  reaching(reach: Reach, by?: Deed): Database;
  /** Resolves when PostgreSQL answers. Has a connection of its own, so it waits for no query. Fails as `run` does. */
  check(): Promise<void>;
}

/** Opens the database. Connects with the first query. */
export function openDatabase(url: string, options: DatabaseOptions): DatabasePool {
  const { connections, name } = options;
  const pool = openPool(url, options);
  const permits = new Permits(connections, CONNECTION_DEADLINE_MS, () => new DatabaseBusyError());
  let checks: Pool | undefined;
  const inTurn = <T>(query: (connections: PoolConnections) => PromiseLike<T>): Promise<T> =>
    inQuerySpan(name, async () => {
      const release = await permits.take();
      try {
        return await pool.run((pooled) => noted(query(pooled)));
      } finally {
        release();
      }
    });
  const open: DatabasePool = {
    connections,
    get use() {
      return permits.use;
    },
    reaching: (reach, by) => limitTo(open, reach, by),
    run: inTurn,
    transaction: (work) => inTurn(({ sql }) => inTransaction(sql, work)),
    async check() {
      checks ??= openPool(url, { ...options, connections: 1, name: `${name}, checks` });
      await checks.run(({ sql }) => sql`select 1`);
    },
    // Takes no permit: its connection is not one of the pool's.
    runLong: (milliseconds, query) => inQuerySpan(name, () => pool.runLong(milliseconds, query)),
    listen: (channel, hearer) => pool.listen(channel, hearer),
    async close() {
      await Promise.all([pool.close(), checks?.close()]);
    },
  };
  return open;
}
