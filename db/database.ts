/** What queries run on: the whole database, or the part of it that a caller can reach. connection.ts opens it. */
import type { Orm, Queryable, Sql } from './postgres.ts';

export interface Connections {
  sql: Queryable;
  orm: Orm;
}

export interface Database {
  /**
   * Runs one query: `query` must not run two at once, nor another one of this pool.
   * @throws DatabaseBusyError when no connection was free within CONNECTION_DEADLINE_MS; the query did not run.
   * @throws DatabaseSilentError when no answer arrived within QUERY_DEADLINE_MS; the query may have run.
   */
  run<T>(query: (connections: Connections) => PromiseLike<T>): Promise<T>;
  /** Runs several queries in one transaction. Fails as `run` does, all of them together within that time. */
  transaction<T>(work: (transaction: Queryable) => Promise<T>): Promise<T>;
}

/** A database whose queries may take long, too. */
export interface LongDatabase extends Database {
  /**
   * Runs one query that may take long, on a connection of its own: the pool is for orders.
   * @param milliseconds that its statements may take.
   * @throws DatabaseSilentError when no answer arrived soon after that.
   */
  runLong<T>(milliseconds: number, query: (sql: Sql) => PromiseLike<T>): Promise<T>;
}
