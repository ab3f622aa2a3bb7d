/** Decides whether the caller may call this operation, and limits the database to what the caller can reach. */
import type { OpenAPIHono } from '@hono/zod-openapi';
import type { Context, MiddlewareHandler } from 'hono';
import { matchedRoutes } from 'hono/route';
import type { Caller } from '../../domain/access.ts';
import type { Dependencies } from '../dependencies.ts';
import type { ApiEnv } from '../env.ts';
import { Problem } from '../problems/problem.ts';
import { insufficientScope } from './bearer.ts';
import type { Identity } from './identity.ts';
import { findAccess, type Access } from './operations.ts';
import { createShopChoice } from './shop-header.ts';

/**
 * @param app whose routes are known by the first request.
 * @throws {Problem} `forbidden`; also for a route without an entry in the table of operations.
 */
export function authorise(
  app: OpenAPIHono<ApiEnv>,
  { database }: Pick<Dependencies, 'database'>,
): MiddlewareHandler<ApiEnv> {
  const chooseShop = createShopChoice(database);
  let operations: ReadonlyMap<string, string> | undefined;

  return async function limitCaller(c, next) {
    // Middleware is registered for all methods. Without a route, the request ends as 404 or 405.
    const route = matchedRoutes(c).find(({ method }) => method !== 'ALL');
    if (route) {
      operations ??= listOperations(app);
      const identity = c.get('identity');
      const access = requireAccess(c, identity, operations.get(`${route.method} ${route.path}`));
      const { id, roles, buyer } = identity;
      const caller: Caller = { id, roles, buyer, shop: await chooseShop(c, identity, access) };
      c.set('caller', caller);
      c.set('database', database.reaching(caller, { actor: id, requestId: c.get('requestId') }));
    }
    await next();
  };
}

function requireAccess(c: Context, identity: Identity, operationId: string | undefined): Access {
  const access = findAccess(operationId);
  if (!access || !hasRole(identity, access))
    throw new Problem('forbidden', 'None of the roles of these credentials may make this call.');
  if (access.scope !== null && !hasScope(identity, access)) throw insufficientScope(c, access.scope);
  if (!isOfItsShops(identity, access))
    throw new Problem(
      'forbidden',
      'This call is about the whole installation, and these credentials are for one shop.',
    );
  return access;
}

/** Whether a call of this operation would not be refused for its caller, whatever it is about. */
export const isAllowed = (identity: Identity, access: Access): boolean =>
  hasRole(identity, access) && hasScope(identity, access) && isOfItsShops(identity, access);

const hasRole = ({ roles }: Identity, access: Access): boolean =>
  access.roles.some((role) => roles.includes(role));
const hasScope = ({ scopes }: Identity, { scope }: Access): boolean =>
  scope === null || scopes === undefined || scopes.has(scope);
const isOfItsShops = ({ shop }: Identity, { shops }: Access): boolean => shops !== 'none' || shop === null;

/** The operationId of each route, by its method and its path as the router spells it. */
function listOperations(app: OpenAPIHono<ApiEnv>): ReadonlyMap<string, string> {
  return new Map(
    app.openAPIRegistry.definitions.flatMap((definition) => {
      if (definition.type !== 'route' || definition.route.operationId === undefined) return [];
      const { method, path, operationId } = definition.route;
      const pattern = path.replaceAll(/\{(\w+)\}/g, ':$1');
      return [[`${method.toUpperCase()} ${pattern}`, operationId] as const];
    }),
  );
}
