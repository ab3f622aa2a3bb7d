/** Who may see the personal fields of the orders that they reach. */
import type { Context } from 'hono';
import type { Role, Scope } from '../../domain/access.ts';
import type { ApiEnv } from '../env.ts';
import { Problem } from '../problems/problem.ts';
import { insufficientScope } from './bearer.ts';

/** Those who deliver, and the buyers themselves. Operators and auditors work on orders without them. */
const SEE: readonly Role[] = ['merchant', 'buyer'];
/** A buyer knows the address of their own orders. */
const SEARCH: readonly Role[] = ['merchant'];
const SCOPE: Scope = 'personal-data:read';

export const seesPersonalData = (c: Context<ApiEnv>): boolean => hasRole(c, SEE) && hasScope(c);

/** @throws {Problem} `forbidden`. */
export function requireSearch(c: Context<ApiEnv>): void {
  if (!hasRole(c, SEARCH))
    throw new Problem('forbidden', 'None of the roles of these credentials may search by contactEmail.');
  if (!hasScope(c)) throw insufficientScope(c, SCOPE);
}

const hasRole = (c: Context<ApiEnv>, roles: readonly Role[]): boolean =>
  roles.some((role) => c.var.caller.roles.includes(role));

const hasScope = (c: Context<ApiEnv>): boolean => c.var.identity.scopes?.has(SCOPE) ?? true;
