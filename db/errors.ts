/** Classifies what a query failed with: whether PostgreSQL is unavailable, and the same call may succeed later. */
import { CONNECTION_DEADLINE_MS, QUERY_DEADLINE_MS } from '../domain/timeouts.ts';

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

/** Every connection is in use, which says nothing against PostgreSQL or the network. */
export class DatabaseBusyError extends DatabaseUnavailableError {
  override name = 'DatabaseBusyError';
  constructor() {
    super(`No connection to PostgreSQL was free within ${CONNECTION_DEADLINE_MS} ms. The query did not run.`);
  }
}

/** Neither this call nor a later one succeeds until a person has done what the message says. */
export class UnpreparedDatabaseError extends Error {
  override name = 'UnpreparedDatabaseError';
}

/** The errors that queries failed with, and their causes. */
const fromQueries = new WeakSet<Error>();

/** Marks what a query fails with. Files and other sockets fail with the same codes; only the origin tells them apart. */
export async function markFailure<T>(query: PromiseLike<T>): Promise<T> {
  try {
    return await query;
  } catch (error) {
    for (let cause = error; cause instanceof Error; cause = cause.cause) {
      fromQueries.add(cause);
      if (isRefusedRole(cause)) throw explainRefusedRole(cause);
    }
    throw error;
  }
}

/** PostgreSQL has no such role, or its user may not take it. A table that may not be read has the second code, too. */
const isRefusedRole = (error: Error): boolean =>
  ['22023', '42501'].includes(errorCode(error) ?? '') &&
  'routine' in error &&
  error.routine === 'call_string_check_hook';

const explainRefusedRole = (cause: Error): UnpreparedDatabaseError =>
  new UnpreparedDatabaseError(
    errorCode(cause) === '22023'
      ? `The database of DATABASE_URL was not migrated (${cause.message}): run \`npm run migrate\` first.`
      : `The user of DATABASE_URL may not run Holdfast (${cause.message}): grant it the roles, as docs/operations.md says in "Roles of the database".`,
    { cause },
  );

/** Whether PostgreSQL says that a name is unknown or out of reach. */
export const isOutOfReach = (error: unknown): boolean =>
  ['3F000', '42P01', '42501'].includes(errorCode(error) ?? '');

/** Whether PostgreSQL is unavailable or overloaded, so that the same call may succeed later. */
export function isDatabaseUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof DatabaseUnavailableError || isDatabaseUnavailable(error.cause)) return true;
  const code = errorCode(error);
  return code !== undefined && UNAVAILABLE_CODES.test(code) && fromQueries.has(error);
}

/** Whether no statement could have got through at all, unlike a statement that waited for a lock or took too long. */
export function isConnectionLost(error: unknown): boolean {
  if (error instanceof Error && error.cause !== undefined) return isConnectionLost(error.cause);
  return isDatabaseUnavailable(error) && !gaveUp(error);
}

/** Whether PostgreSQL answered, but gave up on a lock, on a statement that took too long, or on a deadlock. */
export const gaveUp = (error: unknown): boolean => GAVE_UP_CODES.has(errorCode(error) ?? '');

/** Whether PostgreSQL ended a statement that took too long: a smaller one may get through. */
export const tookTooLong = (error: unknown): boolean => errorCode(error) === '57014';

/** Lock time-out, statement time-out, deadlock. */
const GAVE_UP_CODES: ReadonlySet<string> = new Set(['55P03', '57014', '40P01']);

// Sockets that fail; postgres.js's own words for a lost connection; and PostgreSQL's classes 08 (connection), 53 (out of
// resources), 57P (shutting down), 57014 (statement time-out), 55P03 (lock time-out), 40P01 (deadlock).
const UNAVAILABLE_CODES =
  /^(ECONN\w+|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENOTFOUND|EAI_AGAIN|ENOENT|CONNECT_TIMEOUT|CONNECTION_\w+|08\w{3}|53\w{3}|57P\d{2}|57014|55P03|40P01)$/;

function errorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
