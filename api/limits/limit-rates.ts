/** Limits how many requests each caller may send in a window, by the class of the request, and says with each answer how many are left. */
import type { Context, MiddlewareHandler } from 'hono';
import { ROUTE_CLASSES, type RouteClass } from '../../domain/rate-limits.ts';
import type { Dependencies } from '../dependencies.ts';
import type { ApiEnv } from '../env.ts';
import { Problem } from '../problems/problem.ts';
import { NO_LIMITS } from './rate-limits.ts';
import { classify } from './route-class.ts';
import { SharedBudgets, type Verdict } from './shared-budgets.ts';

interface Policy {
  routes: RouteClass;
  budgets: SharedBudgets;
  /** The value of the RateLimit-Policy header. */
  text: string;
}

/** Goes behind the authentication. The headers are those of draft-ietf-httpapi-ratelimit-headers-10. */
export function limitRates({
  rateLimits: { windowMs, quotas, now } = NO_LIMITS,
  database,
  logger,
}: Pick<Dependencies, 'rateLimits' | 'database' | 'logger'>): MiddlewareHandler<ApiEnv> {
  const policies = new Map<RouteClass, Policy>();
  for (const routes of ROUTE_CLASSES) {
    const quota = quotas[routes];
    if (quota === 0) continue;
    const budgets = new SharedBudgets({ database, logger, name: routes, quota, windowMs, now });
    policies.set(routes, {
      routes,
      budgets,
      text: `"${routes}";q=${quota};w=${Math.ceil(windowMs / 1_000)}`,
    });
  }

  return async function limitRate(c, next) {
    const policy = policies.get(classify(c.req.method, c.req.path));
    if (policy === undefined) return next();
    const verdict = await policy.budgets.take(c.var.identity.id);
    const resetInS = toSeconds(verdict);
    c.header('RateLimit-Policy', policy.text);
    c.header('RateLimit', `"${policy.routes}";r=${verdict.left};t=${resetInS}`);
    if (!verdict.isWithin) throw refuse(policy.routes, resetInS);
    await next();
    if (verdict.left === 0) agree(c, resetInS);
  };
}

function refuse(routes: RouteClass, retryAfter: number): Problem {
  const detail = `The limit for ${routes} is used up. The next window begins in ${retryAfter} s.`;
  return new Problem('rate_limited', detail, {}, { retryAfter });
}

/** Another part of the API may have asked the caller to come back at a time when this limit would refuse it: the later one is true. */
function agree(c: Context, resetInS: number): void {
  const asked = c.res.headers.get('Retry-After');
  if (asked !== null && Number(asked) < resetInS) c.header('Retry-After', String(resetInS));
}

const toSeconds = ({ resetInMs }: Verdict): number => Math.max(1, Math.ceil(resetInMs / 1_000));
