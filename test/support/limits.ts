/** Limits that count every request of a test and refuse none. */
import type { RateLimits } from '../../api/limits/rate-limits.ts';

const NEVER_MET = 1_000_000;

export const GENEROUS: RateLimits = {
  windowMs: 60_000,
  quotas: { reads: NEVER_MET, writes: NEVER_MET, orders: NEVER_MET, admin: NEVER_MET },
  failedAuthentications: NEVER_MET,
};

/** The same as settings, for an API that runs as a process on a test's database: all APIs there must agree on the limits. */
export const GENEROUS_SETTINGS = {
  RATE_LIMIT_READS: String(NEVER_MET),
  RATE_LIMIT_WRITES: String(NEVER_MET),
  RATE_LIMIT_ORDERS: String(NEVER_MET),
  RATE_LIMIT_ADMIN: String(NEVER_MET),
  RATE_LIMIT_FAILED_AUTHENTICATIONS: String(NEVER_MET),
};
