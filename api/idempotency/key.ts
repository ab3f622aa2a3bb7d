/** The Idempotency-Key header: its description in the OpenAPI document, and how it is read. */
import { IncomingMessage } from 'node:http';
import type { Context } from 'hono';
import { IDEMPOTENCY_KEY } from '../../domain/text.ts';
import { Problem } from '../problems/problem.ts';

/** Not part of a request's schemas, because it is checked after the rest of the request. */
export const IDEMPOTENCY_KEY_PARAMETER = {
  name: 'Idempotency-Key',
  in: 'header' as const,
  required: true,
  description:
    'Identifies the intent: a retry by the same caller with the same key and request gets the first answer, marked with `Idempotency-Replayed: true`. Kept for 30 days unless the installation is set otherwise.',
  schema: {
    type: 'string' as const,
    minLength: 1,
    maxLength: IDEMPOTENCY_KEY.max,
    pattern: IDEMPOTENCY_KEY.pattern,
  },
  example: '7f0c7f6e-5d1b-4f0e-9d55-0c1b1f5c2a11',
};

/** @throws {Problem} when the key is missing or invalid. */
export function readKey(c: Context): string {
  const key = c.req.header('Idempotency-Key');
  if (key === undefined || key === '')
    throw new Problem('idempotency_key_missing', 'This call needs an Idempotency-Key header.');
  if (isRepeated(c, key)) throw new Problem('idempotency_key_invalid', 'The header was sent more than once.');
  if (!KEY.test(key))
    throw new Problem(
      'idempotency_key_invalid',
      `A key has 1 to ${IDEMPOTENCY_KEY.max} printable ASCII characters.`,
    );
  return key;
}

const KEY = new RegExp(IDEMPOTENCY_KEY.pattern);

/**
 * Whether the header was sent more than once. Node and `Headers` join repeated values with commas, and a single key may contain a comma. So
 * the raw headers decide if there is a connection, and otherwise whether the joined values are equal.
 */
function isRepeated(c: Context, key: string): boolean {
  const incoming: unknown = c.env?.incoming;
  if (incoming instanceof IncomingMessage) {
    const names = incoming.rawHeaders.filter((_, index) => index % 2 === 0);
    return names.filter((name) => name.toLowerCase() === 'idempotency-key').length > 1;
  }
  const values = key.split(', ');
  return values.length > 1 && new Set(values).size === 1;
}
