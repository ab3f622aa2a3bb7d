/** Who calls, and what that caller can reach. Which role may call which operation is in api/access/operations.ts. */
import type { ShopScope } from './shops.ts';

/**
 * - merchant: everything of its own shop
 * - buyer: its own orders and wallets, and the shop's SKUs
 * - operator: reads all, and commands orders with a reason
 * - auditor: reads all, changes nothing
 * - admin: shops, keys and repairs
 */
export const ROLES = ['merchant', 'buyer', 'operator', 'auditor', 'admin'] as const;
export type Role = (typeof ROLES)[number];

/** What a key can be. Which buyer somebody is, only a token says: a buyer's key would reach every buyer's orders. */
export const KEY_ROLES = ['merchant', 'operator', 'auditor', 'admin'] as const satisfies readonly Role[];
export type KeyRole = (typeof KEY_ROLES)[number];

/** What a scope of a key is about. */
const RESOURCES = [
  'skus',
  'wallets',
  'orders',
  'payments',
  'personal-data',
  'stats',
  'findings',
  'audit',
  'events',
  'webhooks',
  'monitor',
  'keys',
  'shops',
] as const;
type Resource = (typeof RESOURCES)[number];

/** What a key can be limited to, besides its roles. */
export type Scope = `${Resource}:${'read' | 'write'}`;
export const SCOPES: readonly Scope[] = RESOURCES.flatMap((resource): Scope[] => [
  `${resource}:read`,
  `${resource}:write`,
]);

/** The rows that a caller can reach. The database enforces it: see db/reach.ts. */
export interface Reach {
  shop: ShopScope;
  /** Only what is this buyer's own; undefined for everybody's. */
  buyer?: string | undefined;
}

/** An authenticated caller. */
export interface Caller extends Reach {
  /**
   * `key:<key id>` or `jwt:<issuer>:<subject>`: the same at every request, also after its key was rotated. Idempotency keys are its own, and
   * the audit names it.
   */
  id: string;
  roles: readonly Role[];
}
