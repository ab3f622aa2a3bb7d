/** API keys, as callers ask for them and see them. */
import { z } from '@hono/zod-openapi';
import type { ApiKey, KeyCursor } from '../../db/key-changes.ts';
import { KEY_ROLES, ROLES, SCOPES } from '../../domain/access.ts';
import { KEY_ID_PATTERN } from '../../domain/api-key.ts';
import { TEXT } from '../../domain/text.ts';
import { byTime, pageQuery, pageSchema } from './page.ts';
import { instant, text, whole } from './values.ts';

/** 10 years and 30 days, in seconds. */
const LONGEST_LIFE_S = 315_360_000;
const LONGEST_OVERLAP_S = 2_592_000;

const keyId = z
  .string()
  .regex(new RegExp(KEY_ID_PATTERN), 'must be the 12 letters and digits between `hf_` and the secret')
  .openapi({ example: 'k7x2mfq4tzab' });

export const keyParams = z.strictObject({ id: keyId });

const roles = z
  .array(z.enum(KEY_ROLES))
  .min(1, 'must name at least one role')
  .max(KEY_ROLES.length)
  .refine((some) => new Set(some).size === some.length, 'must name each role once')
  .openapi({
    example: ['merchant'],
    uniqueItems: true,
    description: 'A buyer has no key: which buyer somebody is, only a token says',
  });

const scopes = z
  .array(z.enum(SCOPES))
  .min(1, 'must name at least one scope, or be left out')
  .max(SCOPES.length)
  .refine((some) => new Set(some).size === some.length, 'must name each scope once')
  .openapi({ example: ['orders:read', 'orders:write'], uniqueItems: true });

const name = text(TEXT.actor).openapi({ example: 'checkout of the web shop' });

export const createKeyBody = z
  .strictObject({
    name,
    roles,
    scopes: scopes.optional().openapi({ description: 'All that its roles may do, unless given' }),
    expiresInSeconds: whole(1, LONGEST_LIFE_S)
      .optional()
      .openapi({ example: 7_776_000, description: 'Never, unless given' }),
  })
  .openapi('CreateKey');

export const rotateKeyBody = z
  .strictObject({
    overlapSeconds: whole(0, LONGEST_OVERLAP_S).openapi({
      example: 86_400,
      description: 'How long the texts that the key has until now stay valid; 0 ends them at once',
    }),
  })
  .openapi('RotateKey');

export const keySchema = z
  .object({
    id: keyId,
    shop: z
      .string()
      .nullable()
      .openapi({ example: 'main', description: 'Null for a key of the installation' }),
    name,
    roles: z.array(z.enum(ROLES)).openapi({ example: ['merchant'] }),
    scopes: z.array(z.enum(SCOPES)).nullable().openapi({ description: 'Null for all that its roles may do' }),
    createdAt: instant,
    createdBy: z.string().openapi({ example: 'key:k7x2mfq4tzab' }),
    expiresAt: instant.nullable(),
    revokedAt: instant.nullable(),
    lastUsedAt: instant.nullable().openapi({ description: 'To the minute' }),
    isDevelopment: z.boolean().openapi({ description: 'Made by `npm start`; refused in production' }),
  })
  .openapi('Key');

export const shownKeySchema = keySchema
  .extend({
    text: z.string().optional().openapi({
      example: 'hf_k7x2mfq4tzab_…',
      description:
        'What the holder of the key sends as `Authorization: Bearer`. It is stored nowhere, so it is in the first answer alone: a replayed answer has none. When it was lost, rotate the key with `overlapSeconds` 0.',
    }),
  })
  .openapi('ShownKey');

export const keyPage = pageSchema(keySchema, 'KeyPage');

/** A key's position in the list: when it was made, and which it is. */
const keyPosition = byTime(({ at, of }): KeyCursor => ({ createdAt: at, id: of }));

export const keysQuery = pageQuery('keys', keyPosition);

export const formatKeyCursor = ({ createdAt, id }: KeyCursor): string => `${createdAt.getTime()}.${id}`;

/** A key as callers see it. */
export function toKeyReply(key: ApiKey): z.output<typeof keySchema> {
  const at = (time: Date | null): string | null => time?.toISOString() ?? null;
  return {
    id: key.id,
    shop: key.shopId,
    name: key.name,
    roles: [...key.roles],
    scopes: key.scopes && [...key.scopes],
    createdAt: key.createdAt.toISOString(),
    createdBy: key.createdBy,
    expiresAt: at(key.expiresAt),
    revokedAt: at(key.revokedAt),
    lastUsedAt: at(key.lastUsedAt),
    isDevelopment: key.isDevelopment,
  };
}
