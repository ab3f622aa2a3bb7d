/** Makes, rotates, revokes and lists API keys. Only the hash of a key's text is stored, so nobody can show it a second time. */
import { and, desc, eq, sql as expression } from 'drizzle-orm';
import { ROLES, SCOPES, type KeyRole, type Role, type Scope } from '../domain/access.ts';
import type { Database } from './connection.ts';
import { apiKey, apiKeySecret } from './schema/keys.ts';

type KeyRow = typeof apiKey.$inferSelect;

export interface ApiKey extends Omit<KeyRow, 'roles' | 'scopes'> {
  roles: readonly Role[];
  /** Null for all that its roles may do. */
  scopes: readonly Scope[] | null;
}

export interface NewKey extends Pick<ApiKey, 'id' | 'name' | 'scopes' | 'createdBy'> {
  roles: readonly KeyRole[];
  /** Null for a key of the installation. */
  shop: string | null;
  /** Of the key's text. */
  hash: string;
  /** Milliseconds from now; null for never. */
  expiresIn: number | null;
  isDevelopment?: boolean;
}

export type CreateKey = { outcome: 'created'; key: ApiKey } | { outcome: 'unknown_shop' };

/**
 * Makes a key with its first secret. Its id is the idempotency key: if the key is there already, its first text may never have reached
 * anybody, so this text becomes valid, too.
 */
export async function createKey(
  database: Database,
  { id, shop, name, roles, scopes, createdBy, hash, expiresIn, isDevelopment = false }: NewKey,
): Promise<CreateKey> {
  await database.transaction(async (sql) => {
    await sql`
      -- Is there such a shop? Then the key is made.
      insert into api_key (id, shop_id, name, roles, scopes, created_at, created_by, expires_at, is_development)
      select
        ${id}, ${shop}, ${name}, ${joinWords(roles)}, ${scopes && joinWords(scopes)}, now(), ${createdBy},
        now() + ${expiresIn}::float8 * interval '1 millisecond', ${isDevelopment}
      where ${shop}::text is null or exists (select from shop where id = ${shop})
      on conflict (id) do nothing
    `;
    // A statement of its own: whether the caller can reach the key's secrets depends on the key, which it must see.
    await sql`
      insert into api_key_secret (hash, key_id, created_at) select ${hash}, id, now() from api_key where id = ${id}
    `;
  });
  const key = await findKey(database, id);
  return key ? { outcome: 'created', key } : { outcome: 'unknown_shop' };
}

export type RotateKey = { outcome: 'rotated'; key: ApiKey } | { outcome: 'unknown_key' | 'not_usable' };

/**
 * Gives a key another secret. Those that it has expire after `overlap` milliseconds, or when they would have anyway.
 * Two rotations at once leave the secrets of both, which the next rotation ends.
 */
export async function rotateKey(
  database: Database,
  { id, hash, overlap }: { id: string; hash: string; overlap: number },
): Promise<RotateKey> {
  const [rotated] = await database.run(
    ({ sql }) => sql`
      -- The lock comes first: a key that is revoked meanwhile gets no secret.
      with usable as materialized (
        select id from api_key
        where id = ${id} and revoked_at is null and (expires_at is null or expires_at > now())
        for no key update
      ),
      older as (
        update api_key_secret set expires_at = least(expires_at, now() + ${overlap}::float8 * interval '1 millisecond')
        where key_id in (select id from usable)
      )
      insert into api_key_secret (hash, key_id, created_at)
      select ${hash}, id, now() from usable
      returning key_id
    `,
  );
  const key = await findKey(database, id);
  if (!key) return { outcome: 'unknown_key' };
  return rotated ? { outcome: 'rotated', key } : { outcome: 'not_usable' };
}

/** Ends a key for good. Revoking it again changes nothing. Undefined when there is none. */
export async function revokeKey(database: Database, id: string): Promise<ApiKey | undefined> {
  await database.run(
    ({ sql }) => sql`update api_key set revoked_at = now() where id = ${id} and revoked_at is null`,
  );
  return findKey(database, id);
}

export async function findKey(database: Database, id: string): Promise<ApiKey | undefined> {
  const [found] = await database.run(({ orm }) => orm.select().from(apiKey).where(eq(apiKey.id, id)));
  return found && toKey(found);
}

/** The last key of a page: the next page begins after it. */
export interface KeyCursor {
  createdAt: Date;
  id: string;
}

/** Keys, newest first. */
export async function listKeys(
  database: Database,
  { after, limit }: { after: KeyCursor | undefined; limit: number },
): Promise<ApiKey[]> {
  const rows = await database.run(({ orm }) =>
    orm
      .select()
      .from(apiKey)
      // As one comparison, which an index answers.
      .where(
        after &&
          expression`(${apiKey.createdAt}, ${apiKey.id}) < (${after.createdAt.toISOString()}::timestamptz, ${after.id})`,
      )
      .orderBy(desc(apiKey.createdAt), desc(apiKey.id))
      .limit(limit),
  );
  return rows.map(toKey);
}

/** The keys for development that still work. */
export async function findDevelopmentKeys(database: Database): Promise<string[]> {
  const keys = await database.run(
    ({ sql }) => sql<{ id: string }[]>`
      -- Would a key that was made for a developer's machine be let in here?
      select id from api_key
      where is_development and revoked_at is null and (expires_at is null or expires_at > now())
      order by created_at
    `,
  );
  return keys.map(({ id }) => id);
}

/** Whether this is a text of a key for development that still works. */
export async function isDevelopmentKey(database: Database, hash: string): Promise<boolean> {
  const [found] = await database.run(({ orm }) =>
    orm
      .select({ revokedAt: apiKey.revokedAt, expiresAt: apiKeySecret.expiresAt })
      .from(apiKeySecret)
      .innerJoin(apiKey, eq(apiKey.id, apiKeySecret.keyId))
      .where(and(eq(apiKeySecret.hash, hash), eq(apiKey.isDevelopment, true))),
  );
  return found !== undefined && found.revokedAt === null && found.expiresAt === null;
}

function toKey({ roles, scopes, ...rest }: KeyRow): ApiKey {
  return {
    ...rest,
    roles: splitWords(roles, ROLES),
    scopes: scopes === null ? null : splitWords(scopes, SCOPES),
  };
}

const joinWords = (words: readonly string[]): string => words.join(' ');

/** A CHECK sees to it that there are no others, but for those of a later release. */
const splitWords = <Word extends string>(text: string, known: readonly Word[]): Word[] =>
  known.filter((word) => text.split(' ').includes(word));
