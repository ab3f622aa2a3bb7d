/** Which limit a request counts against. */
import type { RouteClass } from '../../domain/rate-limits.ts';

/** Keys and shops: calls that a program of a shop never makes. */
const ADMIN = /^\/v1\/(keys|shops)(\/|$)/;

/** So that no flood of one kind keeps another out: a caller who may place no more orders can still pay those that are placed. */
export function classify(method: string, path: string): RouteClass {
  if (ADMIN.test(path)) return 'admin';
  if (method === 'GET' || method === 'HEAD') return 'reads';
  return method === 'POST' && path === '/v1/orders' ? 'orders' : 'writes';
}
