import type { Context, MiddlewareHandler } from 'hono';
import type { Logger } from 'pino';
import { Problem } from '../problems/problem.ts';

/** One line for each request that failed on our side, with its cause; every request at level debug. */
export function requestLog(logger: Logger): MiddlewareHandler {
  return async function logRequest(c, next) {
    const started = performance.now();
    await next();
    const { status } = c.res;
    // Thousands of lines would make a busy process busier: admission says in one line how many were refused.
    const level = c.error instanceof Problem && c.error.code === 'overloaded' ? 'debug' : levelOf(status);
    if (level === 'debug' && !logger.isLevelEnabled('debug')) return;
    logger[level](
      { ...describe(c), status, ms: Math.round(performance.now() - started), err: c.error },
      'request',
    );
  };
}

/** What a log line says of the request that it is about. */
export function describe(c: Context): { requestId: unknown; method: string; path: string } {
  return { requestId: c.get('requestId'), method: c.req.method, path: c.req.path };
}

function levelOf(status: number): 'error' | 'warn' | 'debug' {
  if (status < 500) return 'debug';
  return status === 503 ? 'warn' : 'error';
}
