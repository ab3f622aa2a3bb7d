import type { OpenAPIHono } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { Problem } from '../problems/problem.ts';

/** Tells an address that does not exist from one that does not take the request's method. */
export function unmatched(app: OpenAPIHono): (c: Context) => never {
  // What every method passes through is no address of its own.
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
      `This address takes ${allowed.join(' and ')}, not ${c.req.method}.`,
    );
  };
}

/** `/v1/skus/:sku` as a regular expression; paths have dots, and no other special characters. */
const patternOf = (path: string): RegExp =>
  new RegExp(`^${path.replaceAll('.', String.raw`\.`).replaceAll(/:[^/]+/g, '[^/]+')}$`);
