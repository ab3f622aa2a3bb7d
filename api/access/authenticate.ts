/** Finds out who calls. Nothing under /v1 is answered before, not even that an address does not exist. */
import type { MiddlewareHandler } from 'hono';
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
    const identity = await identify(text);
    if (isRefusal(identity)) throw invalidCredentials(c, identity.refusal);
    c.set('identity', identity);
    c.set('isStillValid', async () => !isRefusal(await identify(text)));
    await next();
  };

  async function identify(text: string): Promise<Identity | Refusal> {
    return text.startsWith('hf_') ? identifyKey(text) : identifyToken(text);
  }

  async function identifyKey(text: string): Promise<Identity | Refusal> {
    const print = readKeyText(text);
    if (print === undefined)
      return { refusal: 'The API key is mistyped or not complete: its checksum does not fit.' };
    const identity = await keys.identify(print);
    if (identity === undefined) return { refusal: 'The API key is unknown, expired or revoked.' };
    // It may have been made after this process looked for such keys.
    if (isProduction && identity.isDevelopment === true)
      return { refusal: 'This is a development key, and this API runs in production.' };
    return identity;
  }

  async function identifyToken(text: string): Promise<Identity | Refusal> {
    if (identifyBearer === undefined)
      return { refusal: 'This is no API key, and no issuer of tokens is set up here.' };
    try {
      return await identifyBearer(text);
    } catch (error) {
      if (error instanceof InvalidTokenError) return { refusal: error.message };
      throw error;
    }
  }
}

/** Credentials that are not valid, and what their sender learns of it. */
interface Refusal {
  refusal: string;
}

const isRefusal = (identity: Identity | Refusal): identity is Refusal => 'refusal' in identity;
