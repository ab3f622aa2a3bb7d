/** API keys as no call makes them: expired, of any age, with any roles. */
import type { Sql } from '../../db/postgres.ts';
import { makeKeyId, makeKeyText } from '../../domain/api-key.ts';
import type { Role, Scope } from '../../domain/access.ts';

export interface PlantedKey {
  roles: readonly Role[];
  /** Of the whole installation unless given. */
  shop?: string | null;
  scopes?: readonly Scope[] | null;
  /** Milliseconds from now. */
  expiresIn?: number | null;
  secretExpiresIn?: number | null;
  isRevoked?: boolean;
  isDevelopment?: boolean;
}

/** Plants a key that was made a day ago, and returns its text. */
export async function plantKey(
  sql: Sql,
  {
    roles,
    shop = null,
    scopes = null,
    expiresIn = null,
    secretExpiresIn = null,
    isRevoked = false,
    isDevelopment = false,
  }: PlantedKey,
): Promise<string> {
  const id = makeKeyId();
  const { text, hash } = makeKeyText(id);
  const made = new Date(Date.now() - 86_400_000);
  const at = (milliseconds: number | null) =>
    milliseconds === null ? null : new Date(Date.now() + milliseconds);
  await sql`
    insert into api_key (id, shop_id, name, roles, scopes, created_at, created_by, expires_at, revoked_at, is_development)
    values (
      ${id}, ${shop}, 'test', ${roles.join(' ')}, ${scopes?.join(' ') ?? null}, ${made}, 'test', ${at(expiresIn)},
      ${isRevoked ? new Date() : null}, ${isDevelopment}
    )
  `;
  await sql`
    insert into api_key_secret (hash, key_id, created_at, expires_at) values (${hash}, ${id}, ${made}, ${at(secretExpiresIn)})
  `;
  return text;
}
