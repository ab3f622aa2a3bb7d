/** Entity tags and conditions on them (RFC 9110, sections 8.8.3 and 13): whether what a caller read is still current. */
import { createHash } from 'node:crypto';
import type { Context } from 'hono';
import { stringifyExactly } from '../../db/exact-integers.ts';
import { Problem } from '../problems/problem.ts';

type ConditionHeader = 'If-Match' | 'If-None-Match';

export interface EntityTag {
  isWeak: boolean;
  opaque: string;
}

const ENTITY_TAG = /(W\/)?"([\x21\x23-\x7e\x80-\xff]*)"/g;
const ONE_TAG = String.raw`(W/)?"[!#-~\u0080-\u00ff]*"`;
/** RFC 9110 lets a list have empty elements. */
const LIST = String.raw`^[ \t,]*${ONE_TAG}([ \t]*,[ \t,]*${ONE_TAG})*[ \t,]*$`;
const IS_LIST = new RegExp(LIST);

/** `*` or a list of tags; undefined if the header is neither. */
function parseTags(header: string): '*' | EntityTag[] | undefined {
  if (header === '*') return '*';
  if (!IS_LIST.test(header)) return undefined;
  return [...header.matchAll(ENTITY_TAG)].map(([, weak, opaque = '']) => ({
    isWeak: weak !== undefined,
    opaque,
  }));
}

export function readCondition(c: Context, name: ConditionHeader): '*' | EntityTag[] | undefined {
  const header = c.req.header(name);
  if (header === undefined) return undefined;
  const tags = parseTags(header);
  if (tags) return tags;
  const message = 'must be * or a list of entity tags in double quotes';
  throw new Problem('validation_failed', `${name}: ${message}`, { errors: [{ field: name, message }] });
}

/** Replies with a body and its tag, or with 304 if the caller's copy is still current. */
export function replyWithTag(c: Context, body: object, tag?: string): Response {
  const text = stringifyExactly(body);
  const etag = tag ?? `"${createHash('sha256').update(text).digest('hex').slice(0, 32)}"`;
  c.header('ETag', etag);
  const known = parseTags(c.req.header('If-None-Match') ?? '') ?? [];
  if (known === '*' || known.some(({ opaque }) => `"${opaque}"` === etag)) return c.body(null, 304);
  return c.body(text, 200, { 'Content-Type': 'application/json' });
}

/** Of a condition that refuses the request when it is not understood. */
export const CONDITION_SCHEMA = { anyOf: [{ const: '*' }, { type: 'string' as const, pattern: LIST }] };

const TAG_SCHEMA = { type: 'string' as const, pattern: `^${ONE_TAG}$` };

export const ETAG_HEADER = {
  ETag: {
    description: 'Identifies what was read, for `If-Match` and `If-None-Match`',
    required: true,
    schema: TAG_SCHEMA,
  },
};

export const NOT_MODIFIED = {
  304: { description: 'Your copy, named in `If-None-Match`, is still current', headers: ETAG_HEADER },
};

export const KNOWN_TAG_PARAMETER = {
  name: 'If-None-Match',
  in: 'header' as const,
  description:
    'The ETag of your copy. The answer is 304 if the copy is still current, and the whole reply if not, or if this is no ETag',
  schema: { type: 'string' as const },
};
