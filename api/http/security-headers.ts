/** The headers that let a browser make nothing of an answer but what it is. */
import type { MiddlewareHandler } from 'hono';

/**
 * On every answer, also to what is not valid HTTP. Strict-Transport-Security is missing on purpose: whether a host and those below it are
 * reached by HTTPS alone is decided where TLS ends, in front of the API.
 */
export const SECURITY_HEADERS = {
  // An answer is data: it loads nothing, runs nothing and is shown in no frame.
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'X-Frame-Options': 'DENY',
  'X-Content-Type-Options': 'nosniff',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  // One caller's answer is for no other, and is checked by its entity tag before it is used again.
  'Cache-Control': 'private, no-cache',
} as const;

const HEADERS = Object.entries(SECURITY_HEADERS);

/** What a route has set stays: the page at /docs has a policy of its own. */
export function setSecurityHeaders(): MiddlewareHandler {
  return async function secure(c, next) {
    await next();
    for (const [name, value] of HEADERS) if (!c.res.headers.has(name)) c.res.headers.set(name, value);
  };
}
