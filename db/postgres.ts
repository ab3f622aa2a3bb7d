/** Opens every pool of connections to PostgreSQL, so that all of them read and write values alike. */
import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js';
import postgres from 'postgres';
import { BIGINT_AS_NUMBER } from './exact-integers.ts';
import { keepResultsWhole } from './postgres-js-issue-1181.ts';
import { closable, pendingOnceLost } from './postgres-js-issue-1208.ts';

/** By default postgres.js waits up to 20 s before it tries a server again, even if that is back. */
const RECONNECT_DELAY_S = 0.1;

export type Sql = postgres.Sql<{ bigint: number }>;
/** What a statement needs: a pool or a transaction. */
export type Queryable = postgres.ISql<{ bigint: number }>;
/** A part of a statement. */
export type Fragment = postgres.PendingQuery<postgres.Row[]>;
export type Orm = PostgresJsDatabase;

export interface PoolOptions {
  /** At most. */
  connections: number;
  /** 30 s unless given. */
  connectTimeoutS?: number;
  /** What each session sets for itself: time-outs, its name. */
  session?: postgres.Options<{ bigint: postgres.PostgresType<number> }>['connection'];
  /** Gets what PostgreSQL says besides its answers; nobody does unless given. */
  onNotice?: (message: string) => void;
}

export function openPostgres(
  url: string,
  { connections, connectTimeoutS, session, onNotice }: PoolOptions,
): Sql {
  const sql = postgres(url, {
    max: connections,
    ...(connectTimeoutS !== undefined && { connect_timeout: connectTimeoutS }),
    backoff: () => RECONNECT_DELAY_S,
    // One round trip less for each new connection; no query passes or reads an array. (sql.reserve() then waits forever on a pool
    // that has no connection open.)
    fetch_types: false,
    // `create ... if not exists` says that it exists.
    onnotice: ({ message }) => {
      if (message !== undefined) onNotice?.(message);
    },
    types: { bigint: BIGINT_AS_NUMBER },
    connection: session ?? {},
  });
  keepResultsWhole(sql);
  setCodecs(sql);
  return sql;
}

/**
 * Drizzle on a pool.
 *
 * drizzle() replaces the pool's codecs of dates and JSON, for plain SQL as well: a timestamp would come as PostgreSQL writes it, and a
 * Date could not be sent. They are set again; Drizzle's columns take a Date as readily as a text.
 */
export function ormOn(sql: Sql): Orm {
  const orm = drizzle(sql);
  setCodecs(sql);
  return orm;
}

/** Commits what `work` did unless it fails. */
export function inTransaction<T>(sql: Sql, work: (transaction: Queryable) => Promise<T>): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  let close = (): void => {};
  // The driver's own type would resolve what an array contains.
  sql
    .begin(async (transaction) => {
      const open = closable(transaction);
      ({ close } = open);
      const result = await pendingOnceLost(work(open.sql));
      return () => resolve(result);
    })
    .then(
      (settle) => settle(),
      (error: unknown) => {
        close();
        reject(error);
      },
    );
  return promise;
}

/** PostgreSQL's numbers of these types. */
const JSON_OID = 114;
const DATE_OID = 1082;
const TIMESTAMP_OID = 1114;
const TIMESTAMPTZ_OID = 1184;
const JSONB_OID = 3802;

/** An instant is a Date. A day, or a time without a zone, is not an instant and stays text. */
const PARSERS = {
  [DATE_OID]: asItIs,
  [TIMESTAMP_OID]: asItIs,
  [TIMESTAMPTZ_OID]: (text: string) => new Date(text),
};

/** Text goes out as it is, with the digits of its microseconds; so does JSON, which its sender has already written. */
const SERIALIZERS = {
  [DATE_OID]: asItIs,
  [TIMESTAMP_OID]: asItIs,
  [TIMESTAMPTZ_OID]: (value: Date | string) => (value instanceof Date ? value.toISOString() : value),
  [JSON_OID]: asItIs,
  [JSONB_OID]: asItIs,
};

function setCodecs({ options }: Sql): void {
  Object.assign(options.parsers, PARSERS);
  Object.assign(options.serializers, SERIALIZERS);
}

function asItIs(text: string): string {
  return text;
}
