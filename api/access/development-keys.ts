/** Keeps the key of a developer's machine from opening a production system. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from '../../db/connection.ts';
import { isDatabaseUnavailable } from '../../db/errors.ts';
import { findDevelopmentKeys } from '../../db/key-changes.ts';

const RETRY_MS = 2_000;

export class DevelopmentKeyError extends Error {
  override name = 'DevelopmentKeyError';
}

/**
 * Resolves once PostgreSQL has said that there is none. The API does not wait for its servers, so it asks until they are there.
 * @throws {DevelopmentKeyError} when there is one that works.
 */
export async function refuseDevelopmentKeys(database: Database, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const ids = await ask(database);
    if (ids === undefined) {
      await delay(RETRY_MS, undefined, { signal }).catch(() => {});
      continue;
    }
    if (ids.length === 0) return;
    throw new DevelopmentKeyError(
      `This API runs in production (NODE_ENV), and its database has a development key that works: revoke it with \`npm run keys -- revoke ${ids[0]}\`${ids.length === 1 ? '' : `, and likewise ${ids.slice(1).join(', ')}`}, then start again.`,
    );
  }
}

/** Undefined when PostgreSQL cannot say. */
async function ask(database: Database): Promise<string[] | undefined> {
  try {
    return await findDevelopmentKeys(database);
  } catch (error) {
    if (isDatabaseUnavailable(error)) return undefined;
    throw error;
  }
}
