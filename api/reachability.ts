/** Checks whether PostgreSQL and Temporal answer at all, to tell a server that is down from a busy one. */
import { within } from '../db/connection.ts';
import { SERVER_CHECK_MS } from '../domain/timeouts.ts';
import type { Dependencies } from './dependencies.ts';
import { Problem } from './problems/problem.ts';

/** Resolves with a problem if a server does not answer within a second, and with undefined if both answer. */
export type CheckServers = () => Promise<Problem | undefined>;

/** Requests that ask at the same time share one check, so that many waiting requests do not add load to a busy server. */
export function createServerCheck({
  database,
  temporal,
}: Pick<Dependencies, 'database' | 'temporal'>): CheckServers {
  let running: Promise<Problem | undefined> | undefined;
  return () => (running ??= check().finally(() => (running = undefined)));

  async function check(): Promise<Problem | undefined> {
    const failures = await Promise.all([
      failureOf('PostgreSQL', () => database.check()),
      failureOf('Temporal', () => temporal.check(SERVER_CHECK_MS)),
    ]);
    const found = failures.filter((failure) => failure !== undefined);
    if (found.length === 0) return undefined;
    const causes = found.map(({ cause }) => String(cause)).join('; ');
    return new Problem(
      'unavailable',
      found.map(({ message }) => message).join(' '),
      {},
      { cause: new AggregateError(found, causes) },
    );
  }
}

async function failureOf(name: string, answer: () => Promise<unknown>): Promise<Error | undefined> {
  const late = () => new Error(`No answer within ${SERVER_CHECK_MS} ms.`);
  try {
    await within(SERVER_CHECK_MS, answer(), late);
    return undefined;
  } catch (cause) {
    return new Error(`${name} does not answer.`, { cause });
  }
}
