/** Reads credentials from a request, and refuses those that are not valid (RFC 6750). */
import type { Context } from 'hono';
import { Problem } from '../problems/problem.ts';

const BEARER = /^bearer +([A-Za-z0-9._~+/-]+=*)$/i;
const REALM = 'Bearer realm="holdfast"';

/**
 * Credentials are read from one place only: an address ends up in logs, and of two places somebody would have to say which one counts.
 * @throws {Problem} `unauthenticated`.
 */
export function readBearer(c: Context): string {
  const header = c.req.header('Authorization')?.trim();
  if (header === undefined || header === '') throw missing(c);
  const [, text] = BEARER.exec(header) ?? [];
  if (text !== undefined) return text;
  if (!/^bearer\b/i.test(header)) throw missing(c);
  throw invalidCredentials(c, 'Send one API key or token after the word Bearer.');
}

function missing(c: Context): Problem {
  c.header('WWW-Authenticate', REALM);
  return new Problem(
    'unauthenticated',
    'This call needs an Authorization header: Bearer, and an API key or a token.',
  );
}

/** @param detail must be as true of credentials that never existed as of those that did. */
export function invalidCredentials(c: Context, detail: string): Problem {
  c.header('WWW-Authenticate', `${REALM}, error="invalid_token"`);
  return new Problem('unauthenticated', detail);
}

export function insufficientScope(c: Context, scope: string): Problem {
  c.header('WWW-Authenticate', `${REALM}, error="insufficient_scope", scope="${scope}"`);
  return new Problem('forbidden', `This key is limited to scopes, and ${scope} is none of them.`);
}
