/** The connections to PostgreSQL, what their sessions are set to, and their replacement when they fall silent. */
import { LOCK_TIMEOUT_MS, QUERY_DEADLINE_MS, STATEMENT_TIMEOUT_MS } from '../domain/timeouts.ts';
import type { Connections, LongDatabase } from './database.ts';
import { DatabaseSilentError, markFailure } from './errors.ts';
import { openPostgres, ormOn, type Sql } from './postgres.ts';

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

export interface Hearer {
  heard: (message: string) => void;
  /** It listens from now on, for the first time or again: what was said before was not heard. */
  listening: () => void;
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

export interface PoolConnections extends Connections {
  sql: Sql;
}

export interface Pool extends Pick<LongDatabase, 'runLong'> {
  run<T>(query: (connections: PoolConnections) => PromiseLike<T>): Promise<T>;
  /**
   * Hears what is said on a channel, on a connection of its own, until the returned function is called. Connects again when that is lost,
   * and does not notice when it fell silent: see events/listening.ts.
   */
  listen(channel: string, hearer: Hearer): Promise<() => void>;
  /** Lets running queries end, except long ones, then closes every connection. */
  close(): Promise<void>;
}

/** Connects with the first query. Nobody waits longer than the deadline of a query, and a pool that fell silent is replaced. */
export function openPool(url: string, options: DatabaseOptions): Pool {
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
