/**
 * Limits how often an address may fail to authenticate, before a database is asked who is calling. A flood of wrong keys then costs as
 * little as a flood of requests without any.
 */
import { hash } from 'node:crypto';
import type { Context, MiddlewareHandler } from 'hono';
import { Recent } from '../access/recent.ts';
import type { Dependencies } from '../dependencies.ts';
import type { ApiEnv } from '../env.ts';
import { addressReader } from '../http/client-address.ts';
import { Problem } from '../problems/problem.ts';
import { NO_LIMITS } from './rate-limits.ts';
import { SharedBudgets } from './shared-budgets.ts';

/** How long credentials that were right are tried again, whatever else comes from their address. */
const REMEMBERED_MS = 600_000;
const MOST_REMEMBERED = 10_000;

/**
 * Goes before the authentication.
 * @param header where callers prove who they are.
 */
export function limitFailedAuthentications(
  {
    rateLimits: { windowMs, failedAuthentications: quota, now } = NO_LIMITS,
    trustedProxies = [],
    database,
    logger,
  }: Pick<Dependencies, 'rateLimits' | 'trustedProxies' | 'database' | 'logger'>,
  header = 'Authorization',
): MiddlewareHandler<ApiEnv> {
  const budgets = new SharedBudgets({
    database,
    logger,
    name: 'failed authentications',
    quota,
    windowMs,
    now,
  });
  const addressOf = addressReader(trustedProxies);
  const right = new RightCredentials();

  return async function limitFailures(c, next) {
    const credentials = c.req.header(header);
    // A caller without credentials guesses nothing, and is refused without a question to the database.
    if (quota === 0 || credentials === undefined) return next();
    const address = addressOf(c);
    const exhausted = budgets.findExhausted(address);
    // Others may share the address, behind a proxy or a network's one address: who was right before stays in.
    if (exhausted && !right.has(credentials)) throw refuse(Math.ceil(exhausted.resetInMs / 1_000));
    await next();
    if (c.error instanceof Problem && c.error.kind.status === 401) {
      right.forget(credentials);
      void budgets.take(address);
    } else if (isAuthenticated(c)) right.remember(credentials);
  };
}

const isAuthenticated = (c: Context): boolean => c.get('identity') !== undefined;

function refuse(retryAfter: number): Problem {
  const detail = `Too many requests from this address had wrong credentials. The next window begins in ${retryAfter} s.`;
  return new Problem('rate_limited', detail, {}, { retryAfter });
}

/** The credentials that were right lately, as hashes: no copy of a secret stays in memory for them. */
class RightCredentials {
  /** Until when each counts. */
  readonly #until = new Recent<number>(MOST_REMEMBERED);

  has(credentials: string): boolean {
    return (this.#until.get(toHash(credentials)) ?? 0) > performance.now();
  }

  remember(credentials: string): void {
    this.#until.set(toHash(credentials), performance.now() + REMEMBERED_MS);
  }

  forget(credentials: string): void {
    this.#until.delete(toHash(credentials));
  }
}

const toHash = (credentials: string): string => hash('sha256', credentials, 'base64');
