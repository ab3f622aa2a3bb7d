/** Limits that count every request of a test and refuse none. */
import type { RateLimits } from '../../api/limits/rate-limits.ts';

const NEVER_MET = 1_000_000;

export const GENEROUS: RateLimits = {
  windowMs: 60_000,
  quotas: { reads: NEVER_MET, writes: NEVER_MET, orders: NEVER_MET, admin: NEVER_MET },
  failedAuthentications: NEVER_MET,
};
