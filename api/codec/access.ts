/** Who may read payloads, and how much of them. */
import type { Context, MiddlewareHandler } from 'hono';
import type { Database } from '../../db/connection.ts';
import { listShops } from '../../db/shops.ts';
import type { Role, Scope } from '../../domain/access.ts';
import type { KeyRing } from '../../domain/key-ring.ts';
import type { ApiEnv } from '../env.ts';
import { insufficientScope, invalidCredentials, readBearer } from '../access/bearer.ts';
import { isRefusal, type Identify } from '../access/identify.ts';
import type { Identity } from '../access/identity.ts';
import { readSession } from '../access/session.ts';
import { Problem } from '../problems/problem.ts';

/** What somebody sees of a payload: all of it, or all but who bought and with what. */
export type View = 'all' | 'masked';

const ALL: readonly Role[] = ['operator', 'admin'];
const MASKED: readonly Role[] = ['auditor'];

export interface CodecAccess {
  identify: Identify;
  /** Without them, no cookie is believed. */
  sessionKeys: KeyRing | undefined;
  /** On a developer's machine, the key that the address of the codec server may have in its path. */
  developmentKey: string | undefined;
}

/**
 * Finds out who asks: by the header Authorization, or by the session that the operations page began. A page of another origin cannot
 * borrow that cookie, because nothing of another origin comes as far as this.
 * @throws {Problem} `unauthenticated`.
 */
export function authenticateReader({
  identify,
  sessionKeys,
  developmentKey,
}: CodecAccess): MiddlewareHandler<ApiEnv> {
  return async function findReader(c, next) {
    const identity = await identify(findCredential(c));
    if (isRefusal(identity)) throw invalidCredentials(c, identity.refusal);
    c.set('identity', identity);
    await next();
  };

  function findCredential(c: Context): string {
    const inPath = c.req.param('key');
    if (inPath !== undefined) {
      if (inPath === developmentKey) return inPath;
      throw invalidCredentials(c, 'The key in the address is none of this machine.');
    }
    if (c.req.header('Authorization') === undefined && sessionKeys && c.req.header('Origin') !== undefined) {
      const session = readSession(c, sessionKeys);
      if (session !== undefined) return session;
    }
    return readBearer(c);
  }
}

/** @throws {Problem} `forbidden` for those who may see nothing of a payload. */
export async function requireView(c: Context<ApiEnv>, database: Database): Promise<View> {
  const { roles, scopes, shop } = c.get('identity');
  const view = viewOf(roles);
  if (view === undefined)
    throw new Problem('forbidden', 'None of the roles of these credentials may read payloads.');
  requireScope(c, scopes, 'orders:read');
  // A payload does not say whose it is.
  if (shop !== null && (await hasOtherShops(database)))
    throw new Problem('forbidden', 'These credentials are for one shop, and payloads may be of any.');
  return view;
}

/** @throws {Problem} `forbidden` for those who cannot change anything: what is written here is for commands. */
export async function requireWriter(c: Context<ApiEnv>, database: Database): Promise<void> {
  if ((await requireView(c, database)) !== 'all')
    throw new Problem('forbidden', 'None of the roles of these credentials may write payloads.');
  requireScope(c, c.get('identity').scopes, 'orders:write');
}

function viewOf(roles: readonly Role[]): View | undefined {
  if (ALL.some((role) => roles.includes(role))) return 'all';
  return MASKED.some((role) => roles.includes(role)) ? 'masked' : undefined;
}

function requireScope(c: Context, scopes: Identity['scopes'], scope: Scope): void {
  if (scopes && !scopes.has(scope)) throw insufficientScope(c, scope);
}

async function hasOtherShops(database: Database): Promise<boolean> {
  return (await listShops(database, { after: undefined, limit: 2 })).length > 1;
}
