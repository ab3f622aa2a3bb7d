/** Lets pages of other origins call the API: only of those that are set, and of none by default. */
import type { MiddlewareHandler } from 'hono';
import { cors } from 'hono/cors';

/** What a page may send besides the headers that every page may. */
const REQUEST_HEADERS = [
  'Authorization',
  'Content-Type',
  'Holdfast-Shop',
  'Idempotency-Key',
  'If-Match',
  'If-None-Match',
  'Last-Event-ID',
  'X-Request-Id',
  'traceparent',
  'tracestate',
];

/** What a page may read: everything that docs/api.md tells callers to decide by. */
const ANSWER_HEADERS = [
  'Allow',
  'ETag',
  'Idempotency-Replayed',
  'Location',
  'RateLimit',
  'RateLimit-Policy',
  'Retry-After',
  'WWW-Authenticate',
  'X-Request-Id',
];

/** How long a browser may remember that it may call. */
const PREFLIGHT_COUNTS_S = 600;

/**
 * Cookies are never asked for: a caller's key or token is in a header, so a page can send nothing that its reader did not give it.
 * @param origins exactly as a browser sends them, such as `https://shop.example.com`.
 */
export function allowOrigins(origins: readonly string[]): MiddlewareHandler {
  const answer = cors({
    origin: [...origins],
    allowMethods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    allowHeaders: REQUEST_HEADERS,
    exposeHeaders: ANSWER_HEADERS,
    maxAge: PREFLIGHT_COUNTS_S,
  });
  return async function allowOrigin(c, next) {
    // An OPTIONS that asks nothing for a page is a request like any other.
    const isPreflight = c.req.header('Access-Control-Request-Method') !== undefined;
    if (origins.length === 0 || (c.req.method === 'OPTIONS' && !isPreflight)) return next();
    return answer(c, next);
  };
}
