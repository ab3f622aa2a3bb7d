/** Finds out who calls. Nothing under /v1 is answered before, not even that an address does not exist. */
import type { Context, MiddlewareHandler } from 'hono';
import { readKeyText } from '../../domain/api-key.ts';
import type { Dependencies } from '../dependencies.ts';
import type { ApiEnv } from '../env.ts';
import { invalidCredentials, readBearer } from './bearer.ts';
import type { Identity } from './identity.ts';
import { KnownKeys } from './keys.ts';
import { InvalidTokenError } from './tokens.ts';

/** @throws {Problem} `unauthenticated`, or `unavailable` when nobody can say whether the credentials are valid. */
export function authenticate({
  database,
  logger,
  identifyBearer,
  isProduction = false,
}: Dependencies): MiddlewareHandler<ApiEnv> {
  const keys = new KnownKeys(database, logger);

  return async function findCaller(c, next) {
    const text = readBearer(c);
    c.set('identity', await (text.startsWith('hf_') ? identifyKey(c, text) : identifyToken(c, text)));
    await next();
  };

  async function identifyKey(c: Context, text: string): Promise<Identity> {
    const print = readKeyText(text);
    if (print === undefined)
      throw invalidCredentials(c, 'The API key is mistyped or not complete: its checksum does not fit.');
    const identity = await keys.identify(print);
    if (identity === undefined) throw invalidCredentials(c, 'The API key is unknown, expired or revoked.');
    // It may have been made after this process looked for such keys.
    if (isProduction && identity.isDevelopment === true)
      throw invalidCredentials(c, 'This is a development key, and this API runs in production.');
    return identity;
  }

  async function identifyToken(c: Context, text: string): Promise<Identity> {
    if (identifyBearer === undefined)
      throw invalidCredentials(c, 'This is no API key, and no issuer of tokens is set up here.');
    try {
      return await identifyBearer(text);
    } catch (error) {
      if (error instanceof InvalidTokenError) throw invalidCredentials(c, error.message);
      throw error;
    }
  }
}
