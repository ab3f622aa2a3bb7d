/** Answers requests that match no route. */
import type { OpenAPIHono } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { ApiEnv } from '../env.ts';
import { Problem } from '../problems/problem.ts';

/** Refuses an address that does not exist with 404, and a method that the address does not support with 405. */
export function refuseUnmatched(app: OpenAPIHono<ApiEnv>): (c: Context) => never {
  // Middleware is registered for all methods and is not an address.
  const routes = app.routes.flatMap(({ method, path }) =>
    method === 'ALL' ? [] : [{ method, pattern: patternOf(path) }],
  );
  return (c) => {
    const matching = routes.filter(({ pattern }) => pattern.test(c.req.path));
    const allowed = [...new Set(matching.map(({ method }) => method))];
    if (allowed.length === 0) throw new Problem('not_found', `There is nothing at ${c.req.path}.`);
    c.header('Allow', allowed.join(', '));
    throw new Problem(
      'method_not_allowed',
      `This address supports ${allowed.join(' and ')}, not ${c.req.method}.`,
    );
  };
}

/** A path such as `/v1/skus/:sku` as a regular expression. Dots are the only special characters in our paths. */
const patternOf = (path: string): RegExp =>
  new RegExp(`^${path.replaceAll('.', String.raw`\.`).replaceAll(/:[^/]+/g, '[^/]+')}$`);
