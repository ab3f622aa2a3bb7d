/** Finds out whose a credential is: an API key or a token. */
import { readKeyText } from '../../domain/api-key.ts';
import type { Dependencies } from '../dependencies.ts';
import type { Identity } from './identity.ts';
import { KnownKeys } from './keys.ts';
import { InvalidTokenError } from './tokens.ts';

/** A credential that is not valid, and what its sender learns of it. */
export interface Refusal {
  refusal: string;
}

export const isRefusal = (identity: Identity | Refusal): identity is Refusal => 'refusal' in identity;

/** @throws {Problem} `unavailable` when nobody can say whether the credential is valid. */
export type Identify = (credential: string) => Promise<Identity | Refusal>;

/** What is known of keys is shared by all who use the same function. */
export function createIdentify({
  database,
  logger,
  identifyBearer,
  isProduction = false,
}: Pick<Dependencies, 'database' | 'logger' | 'identifyBearer' | 'isProduction'>): Identify {
  const keys = new KnownKeys(database, logger);

  return async function identify(credential) {
    return credential.startsWith('hf_') ? identifyKey(credential) : identifyToken(credential);
  };

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
