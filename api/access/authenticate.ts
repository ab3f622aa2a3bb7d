/** Finds out who calls. Nothing under /v1 is answered before, not even that an address does not exist. */
import type { MiddlewareHandler } from 'hono';
import type { ApiEnv } from '../env.ts';
import { invalidCredentials, readBearer } from './bearer.ts';
import { isRefusal, type Identify } from './identify.ts';

/** @throws {Problem} `unauthenticated`, or `unavailable` when nobody can say whether the credentials are valid. */
export function authenticate(identify: Identify): MiddlewareHandler<ApiEnv> {
  return async function findCaller(c, next) {
    const text = readBearer(c);
    const identity = await identify(text);
    if (isRefusal(identity)) throw invalidCredentials(c, identity.refusal);
    c.set('identity', identity);
    c.set('isStillValid', async () => !isRefusal(await identify(text)));
    await next();
  };
}
