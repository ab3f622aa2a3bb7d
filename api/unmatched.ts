import type { OpenAPIHono } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { Problem } from './problems.ts';

/** Tells an address that does not exist from one that does not take the request's method. */
export function unmatched(app: OpenAPIHono): (c: Context) => never {
  const routes = app.openAPIRegistry.definitions.flatMap((definition) =>
    definition.type === 'route'
      ? [{ method: definition.route.method.toUpperCase(), pattern: patternOf(definition.route.path) }]
      : [],
  );
  return (c) => {
    const allowed = routes.filter(({ pattern }) => pattern.test(c.req.path)).map(({ method }) => method);
    if (allowed.length === 0) throw new Problem('not_found', `There is nothing at ${c.req.path}.`);
    c.header('Allow', allowed.join(', '));
    throw new Problem(
      'method_not_allowed',
      `This address takes ${allowed.join(' and ')}, not ${c.req.method}.`,
    );
  };
}

/** `/v1/skus/{sku}` as a regular expression; paths have no other special characters. */
const patternOf = (path: string): RegExp => new RegExp(`^${path.replaceAll(/\{[^}]+\}/g, '[^/]+')}$`);
