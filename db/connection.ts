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
import {
  CONNECTION_DEADLINE_MS,
  LOCK_TIMEOUT_MS,
  QUERY_DEADLINE_MS,
  STATEMENT_TIMEOUT_MS,
} from '../domain/timeouts.ts';
import type { Reach } from '../domain/access.ts';
import type { Deed } from '../domain/audit.ts';
import type { Connections, Database, LongDatabase } from './database.ts';
import { DatabaseBusyError, DatabaseSilentError, markFailure } from './errors.ts';
import { Permits } from './permits.ts';
import { inTransaction, openPostgres, ormOn, type Sql } from './postgres.ts';
import { limitTo } from './reach.ts';

/** Owns nothing, and may do what the statements in db/ do: see migrations/0011_running_role.sql. */
export const RUNNING_ROLE = 'holdfast_running';

const CONNECT_TIMEOUT_S = 2;
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 5_000;
/**
 * How PostgreSQL notices a client that is gone and could not say so: a replaced pool behind a cut network, a machine without
 * power. By default its sessions would stay for two hours, and every such pool takes 10 to 40 of the available connections (100 by
 * default). PostgreSQL probes a session after `idle` seconds of silence, then every `interval` seconds, and ends it after `count`
 * probes without an answer. That is late enough for a network that only falters, and no query waits for an answer by then.
 */
const SESSION_KEEPALIVE_S = { idle: 5, interval: 2, count: 3 } as const;
/** The same for a session that does not acknowledge its answer: TCP sends no probes while it repeats that, for 15 minutes. */
export const SESSION_SILENCE_MS =
  1_000 * (SESSION_KEEPALIVE_S.idle + SESSION_KEEPALIVE_S.interval * SESSION_KEEPALIVE_S.count);

export type { Connections, Database, LongDatabase };

/** A database with what a server asks besides its queries. */
export interface DatabasePool extends LongDatabase {
  run<T>(query: (connections: PoolConnections) => PromiseLike<T>): Promise<T>;
  /** Lets running queries end, except long ones, then closes every connection. */
  close(): Promise<void>;
  /** How many queries run at once. */
  readonly connections: number;
  /** The same pool, limited to the rows that a caller can reach: see reach.ts. `by` is whose deed its changes are, the pool's unless given. */
  reaching(reach: Reach, by?: Deed): Database;
  /**
   * Hears what is said on a channel, on a connection of its own, until the returned function is called. Connects again when that is lost,
   * and does not notice when it fell silent: see listening.ts.
   */
  listen(channel: string, hearer: Hearer): Promise<() => void>;
  /** Resolves when PostgreSQL answers. Has a connection of its own, so it waits for no query. Fails as `run` does. */
  check(): Promise<void>;
}

export interface Hearer {
  heard(message: string): void;
  /** It listens from now on, for the first time or again: what was said before was not heard. */
  listening(): void;
}

export interface DatabaseOptions {
  /** Connections at most, besides the one for checks. Queries beyond that wait for their turn. */
  connections: number;
  /** Shown in pg_stat_activity. */
  name: string;
  /** Whose deed its changes are: see domain/audit.ts. The audit names the login unless given. */
  actor?: string;
  /** As what the sessions run: the running role unless given; `owner` for what the login itself may do. */
  role?: typeof RUNNING_ROLE | 'owner';
}

/** Opens the database. Connects with the first query. */
export function openDatabase(url: string, options: DatabaseOptions): DatabasePool {
  const { connections, name } = options;
  const pool = openPool(url, options);
  const permits = new Permits(connections, CONNECTION_DEADLINE_MS, () => new DatabaseBusyError());
  let checks: Pool | undefined;
  async function inTurn<T>(query: (connections: PoolConnections) => PromiseLike<T>): Promise<T> {
    const release = await permits.take();
    try {
      return await pool.run(query);
    } finally {
      release();
    }
  }
  const open: DatabasePool = {
    connections,
    reaching: (reach, by) => limitTo(open, reach, by),
    run: inTurn,
    transaction: (work) => inTurn(({ sql }) => inTransaction(sql, work)),
    async check() {
      checks ??= openPool(url, { ...options, connections: 1, name: `${name}, checks` });
      await checks.run(({ sql }) => sql`select 1`);
    },
    // Takes no permit: its connection is not one of the pool's.
    runLong: (milliseconds, query) => pool.runLong(milliseconds, query),
    listen: (channel, hearer) => pool.listen(channel, hearer),
    async close() {
      await Promise.all([pool.close(), checks?.close()]);
    },
  };
  return open;
}

export interface PoolConnections extends Connections {
  sql: Sql;
}

interface Pool extends Pick<DatabasePool, 'runLong' | 'listen' | 'close'> {
  run<T>(query: (connections: PoolConnections) => PromiseLike<T>): Promise<T>;
}

function openPool(url: string, options: DatabaseOptions): Pool {
  let current = connect(url, options);
  /** The connections of those who listen, and of the long queries under way. */
  const own = new Set<Sql>();

  function connectAlone(purpose: string, statementTimeout?: number): { sql: Sql; end: () => void } {
    const { sql } = connect(
      url,
      { ...options, connections: 1, name: `${options.name}, ${purpose}` },
      statementTimeout,
    );
    own.add(sql);
    const end = (): void => {
      own.delete(sql);
      void sql.end({ timeout: 0 });
    };
    return { sql, end };
  }

  // postgres.js waits forever on a connection that went silent and sends it further queries. Once one query
  // has missed its deadline every connection is suspect (they share the network), so the whole pool is replaced.
  function replace(silent: PoolConnections): void {
    if (silent !== current) return;
    current = connect(url, options);
    void silent.sql.end({ timeout: 0 });
  }

  return {
    run(query) {
      const used = current;
      return within(QUERY_DEADLINE_MS, markFailure(query(used)), () => {
        replace(used);
        return new DatabaseSilentError();
      });
    },

    async runLong(milliseconds, query) {
      const { sql, end } = connectAlone('long', milliseconds);
      const deadline = milliseconds + QUERY_DEADLINE_MS;
      try {
        return await within(deadline, markFailure(query(sql)), () => new DatabaseSilentError(deadline));
      } finally {
        end();
      }
    },

    async listen(channel, { heard, listening }) {
      const { sql, end } = connectAlone('listening');
      try {
        await within(
          QUERY_DEADLINE_MS,
          markFailure(sql.listen(channel, heard, listening)),
          () => new DatabaseSilentError(),
        );
        return end;
      } catch (error) {
        end();
        throw error;
      }
    },

    async close() {
      await Promise.all([
        // By then every query has had its deadline.
        current.sql.end({ timeout: QUERY_DEADLINE_MS / 1_000 }),
        // Nobody waits for these.
        ...[...own].map((sql) => sql.end({ timeout: 0 })),
      ]);
    },
  };
}

/**
 * Settles as `answer` does, or rejects when it takes longer.
 * @param late creates the error, only when it is needed.
 */
export async function within<T>(ms: number, answer: PromiseLike<T>, late: () => Error): Promise<T> {
  const { promise: silence, reject } = Promise.withResolvers<never>();
  let settled = false;
  const timer = setTimeout(() => {
    // When this process was busy, the answer may lie in the socket, which is read before this is called.
    setImmediate(() => {
      if (!settled) reject(late());
    });
  }, ms);
  try {
    return await Promise.race([answer, silence]);
  } finally {
    settled = true;
    clearTimeout(timer);
  }
}

function connect(
  url: string,
  { connections, name, actor, role = RUNNING_ROLE }: DatabaseOptions,
  statementTimeout: number = STATEMENT_TIMEOUT_MS,
): PoolConnections {
  const sql = openPostgres(url, {
    connections,
    connectTimeoutS: CONNECT_TIMEOUT_S,
    session: {
      application_name: name,
      ...(role !== 'owner' && { role }),
      ...(actor !== undefined && { 'holdfast.actor': actor }),
      statement_timeout: statementTimeout,
      lock_timeout: LOCK_TIMEOUT_MS,
      idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
      // Not idle_session_timeout: that would also end the sessions of a pool that has nothing to do.
      tcp_keepalives_idle: SESSION_KEEPALIVE_S.idle,
      tcp_keepalives_interval: SESSION_KEEPALIVE_S.interval,
      tcp_keepalives_count: SESSION_KEEPALIVE_S.count,
      tcp_user_timeout: SESSION_SILENCE_MS,
    },
  });
  return { sql, orm: ormOn(sql) };
}
