/** The request log, and what every line that a request causes carries. */
import type { Context, MiddlewareHandler } from 'hono';
import type { Logger } from 'pino';
import { withLogContext } from '../../process/log-context.ts';
import { Problem } from '../problems/problem.ts';

/**
 * Logs one line for each request that failed on our side, with its cause, and every other request at level debug. That line, and all that
 * are logged on the way, carry the request's id, and the order's as soon as it is known.
 */
export function logRequests(logger: Logger): MiddlewareHandler {
  return function logRequest(c, next) {
    const requestId: unknown = c.get('requestId');
    const orderId = findOrderId(c.req.path);
    const context = {
      ...(typeof requestId === 'string' && { requestId }),
      ...(orderId !== undefined && { orderId }),
    };
    return withLogContext(context, async () => {
      const started = performance.now();
      await next();
      const { status } = c.res;
      // Thousands of lines would add load to a busy process: admission logs in one line how many requests it refused.
      const level = c.error instanceof Problem && c.error.code === 'overloaded' ? 'debug' : levelOf(status);
      if (level === 'debug' && !logger.isLevelEnabled('debug')) return;
      const ms = Math.round(performance.now() - started);
      logger[level]({ ...describeRequest(c), status, ms, err: c.error }, 'request');
    });
  };
}

/** The fields that say what was requested. */
export function describeRequest(c: Context): { method: string; path: string } {
  return { method: c.req.method, path: c.req.path };
}

const OF_ORDER = /^\/v1\/orders\/([\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12})(?:\/|$)/;
const findOrderId = (path: string): string | undefined => OF_ORDER.exec(path)?.[1];

function levelOf(status: number): 'error' | 'warn' | 'debug' {
  if (status < 500) return 'debug';
  return status === 503 ? 'warn' : 'error';
}
