/** A key that is limited to some scopes cannot get around that by way of another key. */
import type { Context } from 'hono';
import type { ApiEnv } from '../env.ts';
import { Problem } from '../problems/problem.ts';

/**
 * @param scopes of the key whose text the caller would get; null for all that its roles may do.
 * @throws {Problem} `forbidden`, before an Idempotency-Key is claimed: no answer is kept.
 */
export function requireOwnScopes(c: Context<ApiEnv>, scopes: readonly string[] | null): void {
  const own = c.var.identity.scopes;
  if (own === undefined || scopes?.every((scope) => own.has(scope))) return;
  throw new Problem(
    'forbidden',
    'This key is limited to scopes, and makes and rotates only keys within these.',
  );
}
