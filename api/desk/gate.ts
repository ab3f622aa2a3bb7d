/** Lets operators in: finds out by the session who looks, and limits the database to what they may see. */
import type { Context, MiddlewareHandler } from 'hono';
import { getCookie } from 'hono/cookie';
import type { Caller } from '../../domain/access.ts';
import type { KeyRing } from '../../domain/key-ring.ts';
import { ALL_SHOPS } from '../../domain/shops.ts';
import { isAllowed } from '../access/authorise.ts';
import { isRefusal, type Identify } from '../access/identify.ts';
import type { Identity } from '../access/identity.ts';
import { OPERATIONS, type OperationId } from '../access/operations.ts';
import { SESSION_COOKIE, endSession, readSession } from '../access/session.ts';
import type { Dependencies } from '../dependencies.ts';
import { Problem } from '../problems/problem.ts';
import type { DeskEnv, Visitor } from './env.ts';
import { tokenOf } from './forms.ts';

/** This role opens the page; what is on it depends on all that the credentials allow. */
export const isOperator = ({ roles }: Identity): boolean => roles.includes('operator');

/**
 * The credential in the session is checked at each request: one that was revoked ends its sessions.
 * @throws {Problem} `forbidden` when it may do other things, but is no operator's.
 */
export function findVisitor(
  { database }: Pick<Dependencies, 'database'>,
  ring: KeyRing,
  identify: Identify,
): MiddlewareHandler<DeskEnv> {
  return async function knowVisitor(c, next) {
    const credential = readSession(c, ring);
    if (credential === undefined) return next();
    const identity = await identify(credential);
    if (isRefusal(identity)) {
      endSession(c);
      return next();
    }
    if (!isOperator(identity))
      throw new Problem('forbidden', 'The operations page is for operators, and these credentials are none.');
    const { id, roles, buyer, shop } = identity;
    const caller: Caller = { id, roles, buyer, shop: shop ?? ALL_SHOPS };
    c.set('identity', identity);
    c.set('caller', caller);
    c.set('database', database.reaching(caller, { actor: id, requestId: c.get('requestId') }));
    c.set('visitor', toVisitor(identity, credential, getCookie(c, SESSION_COOKIE) ?? ''));
    await next();
  };
}

/** Goes behind {@link findVisitor}. */
export function requireVisitor(): MiddlewareHandler<DeskEnv> {
  return async function letIn(c, next) {
    if (c.var.visitor === undefined) return askToLogIn(c);
    await next();
  };
}

/** The page of what an operation of the API reads. @throws {Problem} `forbidden` */
export const requireRight = (operation: OperationId): MiddlewareHandler<DeskEnv> =>
  async function letRead(c, next) {
    if (!c.var.visitor.may(operation))
      throw new Problem('forbidden', 'These credentials are limited, and do not show this page.');
    await next();
  };

const toVisitor = (identity: Identity, credential: string, cookie: string): Visitor => ({
  id: identity.id,
  shop: identity.shop,
  roles: identity.roles,
  credential,
  formToken: tokenOf(cookie),
  may: (operation) => isAllowed(identity, OPERATIONS[operation]),
});

/** After the login, the page that was asked for is shown. A form is not: it is not sent twice. */
function askToLogIn(c: Context): Response {
  const { pathname, search } = new URL(c.req.url);
  if (c.req.method !== 'GET' || pathname === '/ops') return c.redirect('/ops/login', 303);
  return c.redirect(`/ops/login?next=${encodeURIComponent(pathname + search)}`, 303);
}
