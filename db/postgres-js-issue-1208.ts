/**
 * Works around a bug in postgres.js 3.4.9 (https://github.com/porsager/postgres/issues/1208, open): when the session of a transaction
 * ends, postgres.js still sends its `rollback`, to a socket that is gone. That error is nobody's to catch, so the process ends. And a
 * query of a transaction whose connection has got another session meanwhile runs there, outside of any transaction: for a caller's
 * query, without the caller's limits.
 */
import type postgres from 'postgres';

type Queryable = postgres.ISql<{ bigint: number }>;

/**
 * The work of a transaction, which never ends when its session has: `begin` fails by itself when the connection closes, and sends
 * nothing more as long as the work does not end.
 */
export async function pendingOnceLost<T>(work: PromiseLike<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (hasEndedSession(error)) return new Promise<never>(() => {});
    throw error;
  }
}

/** The transaction for its work, until `close` says that it is over. From then on it sends nothing. */
export function closable(transaction: Queryable): { sql: Queryable; close: () => void } {
  let isClosed = false;
  const sql = new Proxy(transaction, {
    apply(target, self, args) {
      if (isClosed) throw new Error('This transaction is over.');
      return Reflect.apply(target, self, args);
    },
  });
  return {
    sql,
    close: () => {
      isClosed = true;
    },
  };
}

/** PostgreSQL ends a session with an error that is fatal; all others without a severity are the driver's or the socket's. */
function hasEndedSession(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  // Drizzle wraps what the driver throws.
  if (error.cause !== undefined) return hasEndedSession(error.cause);
  if ('severity' in error) return error.severity === 'FATAL' || error.severity === 'PANIC';
  return 'code' in error && typeof error.code === 'string' && LOST_CODES.test(error.code);
}

const LOST_CODES = /^(CONNECTION_\w+|CONNECT_TIMEOUT|ECONN\w+|EPIPE|ETIMEDOUT|EHOSTUNREACH)$/;
