/**
 * Knows callers by their API keys. What the database says of a key is used for some seconds, so that a busy caller costs no query at
 * each request; for as long, a revoked key may still be accepted.
 */
import type { Logger } from 'pino';
import type { Database } from '../../db/connection.ts';
import { findKey, noteUse, type KnownKey } from '../../db/keys.ts';
import { ROLES, type Role } from '../../domain/access.ts';
import { isSameHash, type KeyPrint } from '../../domain/api-key.ts';
import type { Identity } from './identity.ts';
import { Recent } from './recent.ts';

/** How long a found key is used without asking again, and so how long a revoked one may be. */
const KEY_KEPT_MS = 5_000;
/** How exactly the last use of a key is known. */
const USE_NOTED_EVERY_MS = 60_000;
/** Some hundred bytes each. */
const MOST_KEYS = 10_000;

/** In milliseconds. */
interface KeyTimes {
  kept: number;
  useNotedEvery: number;
}

interface Lookup {
  answer: Promise<KnownKey | undefined>;
  /** When the question was sent: the answer may be as old as that. */
  askedAt: number;
}

export class KnownKeys {
  readonly #database: Database;
  readonly #logger: Logger;
  readonly #times: KeyTimes;
  readonly #lookups = new Recent<Lookup>(MOST_KEYS);
  readonly #notedAt = new Recent<number>(MOST_KEYS);

  constructor(
    database: Database,
    logger: Logger,
    times: KeyTimes = { kept: KEY_KEPT_MS, useNotedEvery: USE_NOTED_EVERY_MS },
  ) {
    this.#times = times;
    this.#database = database;
    this.#logger = logger;
  }

  /** Undefined for a key that is unknown, revoked or expired. */
  async identify({ keyId, hash }: KeyPrint): Promise<Identity | undefined> {
    const { answer, askedAt } = this.#lookUp(hash);
    const key = await answer;
    if (key === undefined || key.id !== keyId || !isSameHash(key.hash, hash)) return undefined;
    if (key.lastsMs !== null && performance.now() - askedAt >= key.lastsMs) return undefined;
    this.#noteUse(keyId);
    return toIdentity(key);
  }

  /** Requests that come with the same key at once share one query. */
  #lookUp(hash: string): Lookup {
    const now = performance.now();
    const known = this.#lookups.get(hash);
    if (known && now - known.askedAt < this.#times.kept) return known;
    const lookup = { answer: findKey(this.#database, hash), askedAt: now };
    this.#lookups.set(hash, lookup);
    const forget = () => {
      if (this.#lookups.get(hash) === lookup) this.#lookups.delete(hash);
    };
    // Only keys that exist are kept, so that guesses push nobody out.
    void lookup.answer.then((key) => key ?? forget(), forget);
    return lookup;
  }

  /** Nobody waits for it. */
  #noteUse(keyId: string): void {
    const now = performance.now();
    if (now - (this.#notedAt.get(keyId) ?? -Infinity) < this.#times.useNotedEvery) return;
    this.#notedAt.set(keyId, now);
    noteUse(this.#database, keyId, this.#times.useNotedEvery).catch((error: unknown) => {
      this.#logger.debug({ err: error, keyId }, 'could not note the last use of a key');
    });
  }
}

function toIdentity({ id, shop, roles, scopes, isDevelopment }: KnownKey): Identity {
  const named = new Set(roles.split(' '));
  return {
    id: `key:${id}`,
    // A key is nobody's own: as a buyer it would be every buyer.
    roles: ROLES.filter((role): role is Exclude<Role, 'buyer'> => role !== 'buyer' && named.has(role)),
    scopes: scopes === null ? undefined : new Set(scopes.split(' ')),
    shop,
    ...(isDevelopment && { isDevelopment }),
  };
}
