/** Lets the pages of Temporal's Web UI ask, with a cookie if they have one, and no page of another origin. */
import type { MiddlewareHandler } from 'hono';
import { cors } from 'hono/cors';
import { Problem } from '../problems/problem.ts';

const HEADERS = ['Authorization', 'Content-Type', 'X-Namespace'];
const PREFLIGHT_COUNTS_S = 600;

/**
 * A browser would send the cookie of this host for a page of any port of it, and only keep the answer from that page.
 * @throws {Problem} `forbidden` for a page of another origin.
 */
export function allowWebUi(origins: readonly string[]): MiddlewareHandler {
  const answer = cors({
    origin: [...origins],
    allowMethods: ['POST'],
    allowHeaders: HEADERS,
    credentials: true,
    maxAge: PREFLIGHT_COUNTS_S,
  });
  return async function allowOrigin(c, next) {
    const origin = c.req.header('Origin');
    // A program sends none.
    if (origin === undefined) return next();
    if (!origins.includes(origin))
      throw new Problem('forbidden', 'CODEC_ORIGINS does not name the origin of this page.');
    return answer(c, next);
  };
}
