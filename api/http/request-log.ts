/** The request log. */
import type { Context, MiddlewareHandler } from 'hono';
import type { Logger } from 'pino';
import { Problem } from '../problems/problem.ts';

/** Logs one line for each request that failed on our side, with its cause, and every other request at level debug. */
export function logRequests(logger: Logger): MiddlewareHandler {
  return async function logRequest(c, next) {
    const started = performance.now();
    await next();
    const { status } = c.res;
    // Thousands of lines would add load to a busy process: admission logs in one line how many requests it refused.
    const level = c.error instanceof Problem && c.error.code === 'overloaded' ? 'debug' : levelOf(status);
    if (level === 'debug' && !logger.isLevelEnabled('debug')) return;
    logger[level](
      { ...describeRequest(c), status, ms: Math.round(performance.now() - started), err: c.error },
      'request',
    );
  };
}

/** The fields by which a log line identifies a request. */
export function describeRequest(c: Context): { requestId: unknown; method: string; path: string } {
  return { requestId: c.get('requestId'), method: c.req.method, path: c.req.path };
}

function levelOf(status: number): 'error' | 'warn' | 'debug' {
  if (status < 500) return 'debug';
  return status === 503 ? 'warn' : 'error';
}
