/**
 * Works around a bug in postgres.js 3.4.9 (https://github.com/porsager/postgres/issues/1181, open): when PostgreSQL ends a query after
 * its first rows, as a statement time-out does, the next result on that connection begins with as many holes. Its first row is then
 * undefined, and a request for an existing order would be answered with `not_found`.
 */
import type postgres from 'postgres';

/** From now on, every result of every pool and transaction begins with its first row. */
export function keepResultsWhole(sql: postgres.Sql<{ bigint: number }>): void {
  // Not awaited, so never sent. All queries have its class.
  const queries: unknown = Object.getPrototypeOf(sql`select`);
  if (typeof queries !== 'object' || queries === null || Object.hasOwn(queries, 'resolve')) return;
  Object.defineProperty(queries, 'resolve', {
    // A query's constructor sets it, to what settles the promise.
    set(this: object, resolve: (result: unknown) => void) {
      const value = (result: unknown) => {
        resolve(withoutHoles(result));
      };
      Object.defineProperty(this, 'resolve', { value, writable: true, configurable: true, enumerable: true });
    },
  });
}

function withoutHoles(result: unknown): unknown {
  if (!Array.isArray(result) || result.length === 0 || 0 in result) return result;
  const first = result.findIndex((_, index) => index in result);
  // In place: a result also carries its count and its columns.
  result.splice(0, first === -1 ? result.length : first);
  return result;
}
