/** Counts requests and times their answers, by route and never by address: an address may name an order, and there are endless ones. */
import type { Context, MiddlewareHandler } from 'hono';
import { matchedRoutes } from 'hono/route';
import { API_METRICS } from '../../domain/metrics.ts';
import type { Metrics } from '../../process/metrics.ts';
import { toProblem } from '../problems/from-error.ts';

export type ApiMetrics = Metrics<typeof API_METRICS>;

const { method: METHODS } = API_METRICS.holdfast_http_requests_total.labels;
type Method = (typeof METHODS)[number];
/** Of a request that no route takes. */
const UNMATCHED = 'unmatched';

export function measureRequests(metrics: ApiMetrics): MiddlewareHandler {
  let inFlight = 0;
  metrics.beforeAnswer(() => metrics.set('holdfast_http_requests_in_flight', {}, inFlight));
  return async function measureRequest(c, next) {
    const started = performance.now();
    inFlight += 1;
    try {
      await next();
    } finally {
      inFlight -= 1;
      const [method, route] = [methodOf(c), routeOf(c)];
      const answered = { method, route, status: String(c.res.status), code: codeOf(c) };
      metrics.count('holdfast_http_requests_total', answered);
      const seconds = (performance.now() - started) / 1_000;
      metrics.observe('holdfast_http_request_duration_seconds', { method, route }, seconds);
    }
  };
}

const isMethod = (method: string): method is Method => METHODS.some((known) => known === method);
const methodOf = ({ req }: Context): Method => (isMethod(req.method) ? req.method : 'other');

/** As the OpenAPI document writes it. What is registered for all methods is no route. */
function routeOf(c: Context): string {
  const path = matchedRoutes(c).findLast(({ method }) => method !== 'ALL')?.path;
  return path?.replaceAll(/:(\w+)/g, '{$1}') ?? UNMATCHED;
}

/** Of the problem that the caller is answered with, kept ones included. */
function codeOf(c: Context): string {
  const kept: unknown = c.get('problemCode');
  if (c.error) return toProblem(c.error).code;
  return typeof kept === 'string' ? kept : '';
}
