/** The API keys of callers. Of a key's secrets only hashes are stored. */
import { sql } from 'drizzle-orm';
import { boolean, check, index, pgTable, text, type AnyPgColumn } from 'drizzle-orm/pg-core';
import { ROLES } from '../../domain/access.ts';
import { TEXT } from '../../domain/text.ts';
import { instant, isText, matches } from './columns.ts';
import { shop } from './shops.ts';

export const apiKey = pgTable(
  'api_key',
  {
    /** 12 characters of base32, part of the key's text. */
    id: text().primaryKey(),
    /** The shop it works in; null for a key of the installation. */
    shopId: text('shop_id').references(() => shop.id),
    name: text().notNull(),
    /** Separated by spaces: nothing here reads or writes arrays. */
    roles: text().notNull(),
    /** As the roles. Null for all that its roles may do. */
    scopes: text(),
    createdAt: instant('created_at').notNull(),
    /** The caller that made it. */
    createdBy: text('created_by').notNull(),
    expiresAt: instant('expires_at'),
    revokedAt: instant('revoked_at'),
    /** To the minute. */
    lastUsedAt: instant('last_used_at'),
    /** Made by `npm start`; no production system may have one that works. */
    isDevelopment: boolean('is_development').notNull().default(false),
  },
  (t) => [
    check('api_key_id', matches(t.id, '^[a-z2-7]{12}$')),
    check('api_key_name', isText(t.name, TEXT.actor)),
    check('api_key_roles', isList(t.roles, `(${ROLES.join('|')})`)),
    check('api_key_scopes', isList(t.scopes, '[a-z]+(-[a-z]+)*:(read|write)')),
    check('api_key_expires_after_creation', sql`${t.expiresAt} > ${t.createdAt}`),
    // Which keys does this shop have, newest first?
    index('api_key_by_shop').on(t.shopId, t.createdAt, t.id),
    // Which keys are there in all shops, newest first?
    index('api_key_by_time').on(t.createdAt, t.id),
    // Which development keys work? (Few rows.)
    index('api_key_development')
      .on(t.createdAt)
      .where(sql`is_development and revoked_at is null`),
  ],
);

/** One word or several with single spaces between them. */
function isList(column: AnyPgColumn, word: string) {
  return matches(column, `^${word}( ${word})*$`);
}

/** A key has several secrets while it is rotated: the older ones expire after an overlap. */
export const apiKeySecret = pgTable(
  'api_key_secret',
  {
    /** SHA-256 of the key's whole text, in hex. */
    hash: text().primaryKey(),
    keyId: text('key_id')
      .notNull()
      .references(() => apiKey.id),
    createdAt: instant('created_at').notNull(),
    expiresAt: instant('expires_at'),
  },
  (t) => [
    check('api_key_secret_hash', matches(t.hash, '^[0-9a-f]{64}$')),
    // Which secrets does this key have?
    index('api_key_secret_by_key').on(t.keyId),
  ],
);
