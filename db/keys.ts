/** Reads who may call: API keys and shops. */
import type { Database } from './connection.ts';

/** A key that is neither revoked nor expired. */
export interface KnownKey {
  id: string;
  /** Null for a key of the whole installation. */
  shop: string | null;
  /** With blanks between, as are the scopes. */
  roles: string;
  /** Null for every scope of its roles. */
  scopes: string | null;
  hash: string;
  /** Milliseconds until it expires, by the database's clock; null for a key that does not. */
  lastsMs: number | null;
  /** Made by `npm start`. */
  isDevelopment: boolean;
}

/** The key that one of its secrets is of; undefined when that is unknown, revoked or expired. */
export async function findKey(database: Database, hash: string): Promise<KnownKey | undefined> {
  const [found] = await database.run(
    ({ sql }) => sql<KnownKey[]>`
      -- Whose secret is this, and for how long is it good? A rotated key's older secrets expire before the key does.
      select
        api_key.id,
        api_key.shop_id as shop,
        api_key.roles,
        api_key.scopes,
        api_key_secret.hash,
        (extract(epoch from least(api_key.expires_at, api_key_secret.expires_at) - now()) * 1000)::float8 as "lastsMs",
        api_key.is_development as "isDevelopment"
      from api_key_secret
      join api_key on api_key.id = api_key_secret.key_id
      where api_key_secret.hash = ${hash}
        and api_key.revoked_at is null
        and coalesce(least(api_key.expires_at, api_key_secret.expires_at) > now(), true)
    `,
  );
  return found;
}

/** Notes that a key was used just now, unless that was noted in the last `everyMs`. */
export async function noteUse(database: Database, keyId: string, everyMs: number): Promise<void> {
  await database.run(
    ({ sql }) => sql`
      -- Several API processes use one key: one of them writes.
      update api_key set last_used_at = now()
      where id = ${keyId}
        and (last_used_at is null or last_used_at < now() - ${everyMs} * interval '1 millisecond')
    `,
  );
}

export async function isShop(database: Database, id: string): Promise<boolean> {
  const found = await database.run(({ sql }) => sql`select from shop where id = ${id}`);
  return found.length > 0;
}
