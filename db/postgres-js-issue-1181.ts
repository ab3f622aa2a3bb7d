/**
 * Mends a fault of postgres.js 3.4.9 (https://github.com/porsager/postgres/issues/1181, open): when PostgreSQL ends a query after
 * its first rows, as a statement time-out does, the next result on that connection begins with as many holes. Its first row
 * is then undefined, and an order that is there would be answered with `not_found`.
 */
import type postgres from 'postgres';

/** Every result, of every pool and transaction, begins with its first row from now on. */
export function keepResultsWhole(sql: postgres.Sql<{ bigint: number }>): void {
  // Not awaited, so it is not sent either. All queries have its class.
  const queries: unknown = Object.getPrototypeOf(sql`select`);
  if (typeof queries !== 'object' || queries === null || Object.hasOwn(queries, 'resolve')) return;
  Object.defineProperty(queries, 'resolve', {
    // The constructor of a query sets it.
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
  // In place: it also has the count and the columns.
  result.splice(0, first === -1 ? result.length : first);
  return result;
}
