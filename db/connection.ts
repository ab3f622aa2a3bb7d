/**
 * The way to PostgreSQL: a pool in which no query waits longer than its deadline, whatever the network does.
 * What belongs in this folder: everything that speaks SQL, and nothing that decides what happens next.
 */
import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js';
import postgres from 'postgres';
import { BIGINT_AS_NUMBER } from './exact-integers.ts';
import { keepResultsWhole } from './whole-results.ts';

/** The server gives up first, the client last: a slow statement then ends with its real cause instead of a bare time-out. */
export const LOCK_TIMEOUT_MS = 1_000;
export const STATEMENT_TIMEOUT_MS = 1_500;
export const QUERY_DEADLINE_MS = 2_500;
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
   * Runs one query.
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

export class DatabaseSilentError extends Error {
  override name = 'DatabaseSilentError';
  constructor(milliseconds: number = QUERY_DEADLINE_MS) {
    super(`PostgreSQL gave no answer within ${milliseconds} ms. The query may still have run.`);
  }
}

export interface DatabaseOptions {
  /** Connections at most. Queries beyond it wait, within their deadline. */
  connections: number;
  /** Shown in pg_stat_activity. */
  name: string;
}

export function openDatabase(url: string, options: DatabaseOptions): Database {
  let current = connect(url, options);
  /** Connections of long queries that are under way. */
  const long = new Set<Sql>();

  // postgres.js waits for ever on a connection that went silent and sends it further queries. Once one query
  // has missed its deadline every connection is suspect (they share the network), so the whole pool is replaced.
  function replace(silent: Connections): void {
    if (silent !== current) return;
    current = connect(url, options);
    void silent.sql.end({ timeout: 0 });
  }

  return {
    async run(query) {
      const used = current;
      const { promise: silence, reject } = Promise.withResolvers<never>();
      const timer = setTimeout(() => {
        replace(used);
        reject(new DatabaseSilentError());
      }, QUERY_DEADLINE_MS);
      try {
        return await Promise.race([markFailure(query(used)), silence]);
      } finally {
        clearTimeout(timer);
      }
    },

    async runLong(milliseconds, query) {
      const { sql } = connect(url, { connections: 1, name: `${options.name}, long` }, milliseconds);
      long.add(sql);
      const deadline = milliseconds + QUERY_DEADLINE_MS;
      const { promise: silence, reject } = Promise.withResolvers<never>();
      const timer = setTimeout(() => reject(new DatabaseSilentError(deadline)), deadline);
      try {
        return await Promise.race([markFailure(query(sql)), silence]);
      } finally {
        clearTimeout(timer);
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
  if (error instanceof DatabaseSilentError || isDatabaseAway(error.cause)) return true;
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
