/**
 * The way to PostgreSQL: a pool in which no query waits longer than its deadline, whatever the network does.
 * What belongs in this folder: everything that speaks SQL, and nothing that decides what happens next.
 */
import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js';
import postgres from 'postgres';
import {
  CONNECTION_DEADLINE_MS,
  LOCK_TIMEOUT_MS,
  QUERY_DEADLINE_MS,
  STATEMENT_TIMEOUT_MS,
} from '../domain/timeouts.ts';
import { BIGINT_AS_NUMBER } from './exact-integers.ts';
import { Permits } from './permits.ts';
import { keepResultsWhole } from './postgres-js-issue-1181.ts';

const CONNECT_TIMEOUT_S = 2;
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 5_000;
/**
 * How PostgreSQL finds out that a client is gone which could not say so: a replaced pool behind a cut network, a machine without
 * power. By default its sessions would stay for two hours, and every such pool takes 10 to 40 of the connections that there
 * are (100 by default). A session is asked after so many seconds in which nothing came, then again, and ended when nothing comes.
 * That is late enough for a network that only falters, and no query waits for an answer by then.
 */
export const SESSION_KEEPALIVE_S = { idle: 5, interval: 2, count: 3 } as const;
/** The same for a session whose answer is not acknowledged: TCP asks nothing as long as it repeats that, for 15 minutes. */
export const SESSION_SILENCE_MS =
  1_000 * (SESSION_KEEPALIVE_S.idle + SESSION_KEEPALIVE_S.interval * SESSION_KEEPALIVE_S.count);
/** postgres.js would wait up to 20 s before it tries a server again that is back by then. */
const RECONNECT_DELAY_S = 0.1;

export type Sql = postgres.Sql<{ bigint: number }>;
/** What a statement needs: a pool or a transaction. */
export type Queryable = postgres.ISql<{ bigint: number }>;
export type Orm = PostgresJsDatabase;

export interface Connections {
  /** For the one-statement steps, as plain SQL. */
  sql: Sql;
  /** For reads. */
  orm: Orm;
}

export interface Database {
  /**
   * Runs one query, or one transaction: `query` must not run two at once, nor another one of this pool.
   * @throws {DatabaseBusyError} when no connection was free within {@link CONNECTION_DEADLINE_MS}; the query did not run.
   * @throws {DatabaseSilentError} when no answer came within {@link QUERY_DEADLINE_MS}; whether the query ran is unknown.
   */
  run<T>(query: (connections: Connections) => PromiseLike<T>): Promise<T>;
  /**
   * Runs one query that may take long, on a connection of its own: the pool is for orders.
   * @param milliseconds that its statements may take.
   * @throws {DatabaseSilentError} when no answer came soon after that.
   */
  runLong<T>(milliseconds: number, query: (sql: Sql) => PromiseLike<T>): Promise<T>;
  /** Lets running queries end, but for long ones, then closes every connection. */
  close(): Promise<void>;
}

/** A database with what a server asks beside its queries. */
export interface DatabasePool extends Database {
  /** How many queries run at once. */
  readonly connections: number;
  /** Resolves when PostgreSQL answers. Has a connection of its own, so it waits for no query. Errors as of `run`. */
  check(): Promise<void>;
}

/** The same call may succeed later. */
export class DatabaseUnavailableError extends Error {
  override name = 'DatabaseUnavailableError';
}

export class DatabaseSilentError extends DatabaseUnavailableError {
  override name = 'DatabaseSilentError';
  constructor(milliseconds: number = QUERY_DEADLINE_MS) {
    super(`PostgreSQL gave no answer within ${milliseconds} ms. The query may still have run.`);
  }
}

/** Every connection is in use: that says nothing against PostgreSQL or the network. */
export class DatabaseBusyError extends DatabaseUnavailableError {
  override name = 'DatabaseBusyError';
  constructor() {
    super(`No connection to PostgreSQL was free within ${CONNECTION_DEADLINE_MS} ms. The query did not run.`);
  }
}

export interface DatabaseOptions {
  /** Connections at most, beside the one for checks. Queries beyond it wait for their turn. */
  connections: number;
  /** Shown in pg_stat_activity. */
  name: string;
}

export function openDatabase(url: string, options: DatabaseOptions): DatabasePool {
  const { connections, name } = options;
  const pool = openPool(url, options);
  const permits = new Permits(connections, CONNECTION_DEADLINE_MS, () => new DatabaseBusyError());
  let checks: Database | undefined;
  return {
    connections,
    async run(query) {
      const giveBack = await permits.take();
      try {
        return await pool.run(query);
      } finally {
        giveBack();
      }
    },
    async check() {
      checks ??= openPool(url, { connections: 1, name: `${name}, checks` });
      await checks.run(({ sql }) => sql`select 1`);
    },
    // Takes no permit: its connection is none of the pool's.
    runLong: (milliseconds, query) => pool.runLong(milliseconds, query),
    async close() {
      await Promise.all([pool.close(), checks?.close()]);
    },
  };
}

function openPool(url: string, options: DatabaseOptions): Database {
  let current = connect(url, options);
  /** Connections of long queries that are under way. */
  const long = new Set<Sql>();

  // postgres.js waits forever on a connection that went silent and sends it further queries. Once one query
  // has missed its deadline every connection is suspect (they share the network), so the whole pool is replaced.
  function replace(silent: Connections): void {
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
      const { sql } = connect(url, { connections: 1, name: `${options.name}, long` }, milliseconds);
      long.add(sql);
      const deadline = milliseconds + QUERY_DEADLINE_MS;
      try {
        return await within(deadline, markFailure(query(sql)), () => new DatabaseSilentError(deadline));
      } finally {
        long.delete(sql);
        void sql.end({ timeout: 0 });
      }
    },

    async close() {
      await Promise.all([
        // By then every query has had its deadline.
        current.sql.end({ timeout: QUERY_DEADLINE_MS / 1_000 }),
        // Nobody waits for these any more.
        ...[...long].map((sql) => sql.end({ timeout: 0 })),
      ]);
    },
  };
}

/**
 * Settles as `answer` does, or rejects when it takes longer.
 * @param late makes the error; called only then.
 */
export async function within<T>(ms: number, answer: PromiseLike<T>, late: () => Error): Promise<T> {
  const { promise: silence, reject } = Promise.withResolvers<never>();
  let settled = false;
  const timer = setTimeout(() => {
    // When this process was busy, the answer may lie in the socket: what is there is read before this is called.
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
  { connections, name }: DatabaseOptions,
  statementTimeout: number = STATEMENT_TIMEOUT_MS,
): Connections {
  const sql = postgres(url, {
    max: connections,
    connect_timeout: CONNECT_TIMEOUT_S,
    backoff: () => RECONNECT_DELAY_S,
    // One round trip less for each new connection; no query here passes an array.
    fetch_types: false,
    types: { bigint: BIGINT_AS_NUMBER },
    connection: {
      application_name: name,
      statement_timeout: statementTimeout,
      lock_timeout: LOCK_TIMEOUT_MS,
      idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
      // Not idle_session_timeout: it would end the sessions of a pool that has nothing to do, too.
      tcp_keepalives_idle: SESSION_KEEPALIVE_S.idle,
      tcp_keepalives_interval: SESSION_KEEPALIVE_S.interval,
      tcp_keepalives_count: SESSION_KEEPALIVE_S.count,
      tcp_user_timeout: SESSION_SILENCE_MS,
    },
  });
  keepResultsWhole(sql);
  return { sql, orm: drizzle(sql) };
}

/** What queries failed with, and its causes. */
const fromQueries = new WeakSet<Error>();

/** Marks what a query fails with. Files and other sockets fail with the same codes: where an error comes from says what it means. */
async function markFailure<T>(query: PromiseLike<T>): Promise<T> {
  try {
    return await query;
  } catch (error) {
    for (let cause = error; cause instanceof Error; cause = cause.cause) fromQueries.add(cause);
    throw error;
  }
}

/** Whether an error means that PostgreSQL is away or overloaded, so that the same call may succeed later. */
export function isDatabaseAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof DatabaseUnavailableError || isDatabaseAway(error.cause)) return true;
  const code = errorCode(error);
  return code !== undefined && AWAY_CODES.test(code) && fromQueries.has(error);
}

/** Whether no statement would have come through at all, as opposed to one that waited for a lock or took too long. */
export function isConnectionLost(error: unknown): boolean {
  if (error instanceof Error && error.cause !== undefined) return isConnectionLost(error.cause);
  return isDatabaseAway(error) && !STATEMENT_CODES.test(errorCode(error) ?? '');
}

/** Whether PostgreSQL ended a statement that had taken its time: less of the same may do. */
export const tookTooLong = (error: unknown): boolean => errorCode(error) === '57014';

// Sockets that fail; postgres.js's own words for a lost connection; and PostgreSQL's classes 08 (connection), 53 (out of
// resources), 57P (shutting down), 57014 (statement time-out), 55P03 (lock time-out), 40P01 (deadlock).
const AWAY_CODES =
  /^(ECONN\w+|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENOTFOUND|EAI_AGAIN|ENOENT|CONNECT_TIMEOUT|CONNECTION_\w+|08\w{3}|53\w{3}|57P\d{2}|57014|55P03|40P01)$/;

/** Of those, the ones that are about what a statement reads or locks. */
const STATEMENT_CODES = /^(57014|55P03|40P01)$/;

function errorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
