/** How much each caller may ask of the API. */
import type { RouteClass } from '../../domain/rate-limits.ts';

export interface RateLimits {
  windowMs: number;
  /** Requests of a caller in a window; 0 for no limit. */
  quotas: Readonly<Record<RouteClass, number>>;
  /** Failed authentications from one address in a window; 0 for no limit. */
  failedAuthentications: number;
  /** Milliseconds, on a monotonic clock. Only tests move it. */
  now?: () => number;
}

/** Without settings there is no limit. */
export const NO_LIMITS: RateLimits = {
  windowMs: 60_000,
  quotas: { reads: 0, writes: 0, orders: 0, admin: 0 },
  failedAuthentications: 0,
};
